#include "daemon/os/poller.hpp"
#include "daemon/os/socket.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <string>
#include <string_view>
#include <sys/socket.h>

using namespace tapioca;

namespace {

/// Two ends of a connection over loopback.
struct connected_pair {
    os::unique_fd ours, peer;

    connected_pair()
    {
        const os::unique_fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(os::bind(listener.get(), {ip_address::v4(127, 0, 0, 1), 0}).has_value());
        REQUIRE(::listen(listener.get(), 1) == 0);
        auto socket = os::tcp_socket(ip_family::ipv4);
        REQUIRE(socket.has_value());
        ours = std::move(*socket);
        (void)os::connect(ours.get(), *os::local_endpoint(listener.get()));
        auto accepted = os::accept(listener.get());
        REQUIRE(accepted.has_value());
        peer = std::move(accepted->fd);
    }
};

void say(int fd, std::string_view text, int flags = 0)
{
    REQUIRE(::send(fd, text.data(), text.size(), flags | MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

} // namespace

TEST_CASE("urgent data stays in the stream; reads stop in front of it, discarding does not")
{
    const connected_pair pair;
    say(pair.peer.get(), "abc");
    say(pair.peer.get(), "X", MSG_OOB);
    say(pair.peer.get(), "def");

    os::poller poller;
    REQUIRE(poller.add(pair.ours.get(), {1, 2}, os::trigger::edge).has_value());
    const auto ready = poller.wait({}, {});
    REQUIRE(ready.size() == 1);
    CHECK(ready[0].urgent);
    CHECK(ready[0].readable);

    std::array<octet, 32> octets;
    const auto first = os::peek(pair.ours.get(), octets);
    REQUIRE(first.has_value());
    CHECK(*first == 3);
    CHECK(os::discard(pair.ours.get(), 6).value() == 6);
    const auto rest = os::peek(pair.ours.get(), octets);
    REQUIRE(rest.has_value());
    CHECK(*rest == 1);
    CHECK(octets[0] == 'f');
}

TEST_CASE("a peek offset counts urgent data like any other")
{
    const connected_pair pair;
    if (!os::set_peek_offset(pair.ours.get(), 0))
        return;
    say(pair.peer.get(), "abc");
    say(pair.peer.get(), "X", MSG_OOB);
    say(pair.peer.get(), "def");
    std::array<octet, 32> octets;
    CHECK(os::peek(pair.ours.get(), octets).value() == 3);
    CHECK(os::peek(pair.ours.get(), octets).value() == 4);
    CHECK(std::string_view{reinterpret_cast<const char*>(octets.data()), 4} == "Xdef");
    CHECK_FALSE(os::peek(pair.ours.get(), octets).has_value());
}
