// A TCP socket's queue is our retransmission store: we look at any part of it, and drop what was acknowledged (SO_PEEK_OFF,
// MSG_PEEK and MSG_TRUNC; socket(7), tcp(7)).
#include "daemon/os/unique_fd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

#include <array>
#include <cstring>
#include <netinet/in.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>

using namespace tapioca;

namespace {

struct connection {
    os::unique_fd ours, peer;

    explicit connection(int family = AF_INET)
    {
        sockaddr_storage address{};
        address.ss_family = static_cast<sa_family_t>(family);
        if (family == AF_INET)
            reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        else
            reinterpret_cast<sockaddr_in6&>(address).sin6_addr = IN6ADDR_LOOPBACK_INIT;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        socklen_t length = sizeof address;
        const os::unique_fd listener{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        if (!listener || ::bind(listener.get(), any, length) != 0)
            test::skip("no loopback address of this family");
        REQUIRE(::listen(listener.get(), 1) == 0);
        REQUIRE(::getsockname(listener.get(), any, &length) == 0);
        peer = os::unique_fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(::connect(peer.get(), any, length) == 0);
        ours = os::unique_fd{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        REQUIRE(ours);
    }

    void set_offset(int offset) const
    {
        if (::setsockopt(ours.get(), SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) != 0)
            test::skip(std::string{"SO_PEEK_OFF on this socket: "} + std::strerror(errno));
    }
    int offset() const
    {
        int offset = -2;
        socklen_t length = sizeof offset;
        REQUIRE(::getsockopt(ours.get(), SOL_SOCKET, SO_PEEK_OFF, &offset, &length) == 0);
        return offset;
    }
    void peer_sends(const std::string& text) const
    {
        REQUIRE(::send(peer.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }
    /// Waits for the first octet, like everything in here; loopback delivers a short write whole.
    std::string peek(std::size_t most) const
    {
        std::string text(most, '\0');
        const auto n = ::recv(ours.get(), text.data(), most, MSG_PEEK);
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return text;
    }
    ssize_t discard(std::size_t count) const { return ::recv(ours.get(), nullptr, count, MSG_TRUNC); }
};

void peeks_go_on(int family)
{
    const connection c{family};
    c.set_offset(0);
    c.peer_sends("abcdefgh");
    CHECK(c.peek(3) == "abc");
    CHECK(c.offset() == 3);
    CHECK(c.peek(3) == "def");
    c.peer_sends("ijkl");
    CHECK(c.peek(2) == "gh");
    CHECK(c.peek(9) == "ijkl");
    std::string all(20, '\0');
    CHECK(::recv(c.ours.get(), all.data(), all.size(), MSG_DONTWAIT) == 12); // nothing was taken away
}

class edge_poller {
public:
    explicit edge_poller(int fd) : epoll_(::epoll_create1(EPOLL_CLOEXEC))
    {
        epoll_event e{};
        e.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        REQUIRE(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e) == 0);
    }
    /// The events within `timeout` milliseconds.
    std::uint32_t wait(int timeout) const
    {
        epoll_event e{};
        return ::epoll_wait(epoll_.get(), &e, 1, timeout) == 1 ? e.events : 0U;
    }

private:
    os::unique_fd epoll_;
};

} // namespace

TEST_CASE("a peek on an IPv4 connection begins where the last one ended", "[peek_offset]") { peeks_go_on(AF_INET); }

TEST_CASE("a peek on an IPv6 connection begins where the last one ended", "[peek_offset_v6]") { peeks_go_on(AF_INET6); }

TEST_CASE("what is discarded with MSG_TRUNC is copied nowhere, and the place of the next peek stays the same octet",
          "[discard_moves_offset]")
{
    const connection c;
    c.set_offset(0);
    c.peer_sends("abcdefgh");
    CHECK(c.peek(5) == "abcde");
    CHECK(c.discard(3) == 3);
    CHECK(c.offset() == 2);
    CHECK(c.peek(10) == "fgh");
}

TEST_CASE("a peek offset that is set back shows the octets again, for a retransmission", "[rewind]")
{
    const connection c;
    c.set_offset(0);
    c.peer_sends("abcdefgh");
    CHECK(c.peek(8) == "abcdefgh");
    CHECK(c.discard(2) == 2);
    c.set_offset(0);
    CHECK(c.peek(3) == "cde");
    c.set_offset(4);
    CHECK(c.peek(3) == "gh");
}

TEST_CASE("an edge-triggered epoll tells of new data though the old was only peeked at, and keeps silent about the old",
          "[edge_after_peek]")
{
    const connection c;
    c.set_offset(0);
    const edge_poller poller{c.ours.get()};
    CHECK((poller.wait(1000) & EPOLLIN) == 0); // it may be written to
    c.peer_sends("abcdefgh");
    CHECK((poller.wait(1000) & EPOLLIN) != 0);
    CHECK(c.peek(3) == "abc"); // short: five octets were not looked at
    CHECK(poller.wait(100) == 0);
    c.peer_sends("i");
    CHECK((poller.wait(1000) & EPOLLIN) != 0);
    CHECK(c.peek(10) == "defghi");
    CHECK(c.discard(9) == 9);
    CHECK(poller.wait(100) == 0);
}

TEST_CASE("what came before a reset can be peeked at and discarded behind it, whoever took the error; then the stream has an end",
          "[reset_keeps_queue]")
{
    for (const bool told_by_send : {true, false}) {
        connection c;
        c.set_offset(0);
        REQUIRE(::send(c.ours.get(), "x", 1, 0) == 1); // unread by the peer, whose close becomes a reset
        c.peer_sends("abcdefgh");
        CHECK(c.peek(3) == "abc");
        const linger at_once{1, 0};
        REQUIRE(::setsockopt(c.peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        c.peer.reset();
        if (told_by_send) {
            CHECK(::send(c.ours.get(), "y", 1, MSG_NOSIGNAL) == -1);
            CHECK(errno == ECONNRESET);
        } else {
            int error = 0;
            socklen_t length = sizeof error;
            REQUIRE(::getsockopt(c.ours.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0);
            CHECK(error == ECONNRESET);
        }
        CHECK(::send(c.ours.get(), "y", 1, MSG_NOSIGNAL) == -1);
        CHECK(errno == EPIPE);
        CHECK(c.peek(3) == "def");
        CHECK(c.discard(3) == 3);
        c.set_offset(0);
        CHECK(c.peek(9) == "defgh");
        CHECK(c.discard(5) == 5);
        CHECK(c.peek(1).empty());
    }
}
