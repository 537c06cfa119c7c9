// A worker in its own thread, on the loopback interface: what wakes it must not be lost.

#include "daemon/loop/worker.hpp"
#include "daemon/os/clock.hpp"
#include "daemon/os/listen.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

using namespace tapioca;

namespace {

constexpr ip_address loopback = ip_address::v4(127, 0, 0, 1);

/// As the resident thread at its fastest: a socket is there, and the worker is told so, before the worker does anything else.
class quick_sockets final : public namespace_sockets {
public:
    mailbox* bell = nullptr;
    std::atomic<int> asked = 0;

    [[nodiscard]] os::unique_fd take(kind) noexcept override
    {
        const int before = asked.fetch_add(1);
        if (before == 1)
            bell->ring();
        if (before <= 1)
            return {};
        auto made = os::tcp_socket(ip_family::ipv4);
        return made ? std::move(*made) : os::unique_fd{};
    }
};

std::uint16_t port_of(const os::unique_fd& listener) { return os::local_endpoint(listener.get()).value().port; }

} // namespace

TEST_CASE("sockets that come while a worker looks for some are seen")
{
    auto front = os::listen_tcp({.stack = listen_stack::ipv4}), back = os::listen_tcp({.stack = listen_stack::ipv4});
    REQUIRE((front.has_value() && back.has_value()));
    const endpoint at{loopback, port_of(*front)};
    plane_config config;
    config.splice = true;
    config.address_map.guest4 = config.address_map.host4 = loopback;
    forward_rule rule{.protocol = wire::protocol_tcp};
    rule.first = rule.last = at.port;
    rule.target_first = port_of(*back);
    config.host_rules.push_back(rule);

    shared_state common{config, {}, 1};
    quick_sockets sockets;
    sockets.bell = &common.mailboxes[0];
    const auto alone = std::make_unique<worker>(common, 0, no_tap{}, -1, &sockets);
    alone->listen({std::move(*front), {rule_side::host, 0, at.port, wire::protocol_tcp}});
    alone->start([] {});
    const auto client = os::tcp_socket(ip_family::ipv4);
    REQUIRE(client.has_value());
    REQUIRE(os::connect(client->get(), at).has_value());
    for (const auto end = os::now() + std::chrono::seconds{5}; sockets.asked.load() == 0 && os::now() < end;)
        std::this_thread::yield();
    common.mailboxes[0].ring();

    pollfd news{back->get(), POLLIN, 0};
    CHECK(::poll(&news, 1, 5000) == 1);
    alone->stop();
}

TEST_CASE("a listening socket that cannot be watched is closed, and the control plane hears of it")
{
    plane_config config;
    forward_rule rule{.protocol = wire::protocol_tcp};
    rule.first = rule.last = 7;
    config.host_rules.push_back(rule);
    shared_state common{config, {}, 1};
    const auto alone = std::make_unique<worker>(common, 0, no_tap{}, -1, nullptr);
    os::unique_fd file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)}; // epoll_ctl(2): EPERM
    const int number = file.get();
    REQUIRE(number >= 0);
    alone->listen({std::move(file), {rule_side::host, 0, 7, wire::protocol_tcp}});
    alone->start([] {});

    pollfd bell{common.events_bell.get(), POLLIN, 0};
    REQUIRE(::poll(&bell, 1, 5000) == 1);
    int error = 0;
    alone->events().drain(
        [&](const report::worker_event& e) { error = e.kind == report::event_kind::listener_failed ? e.error : -1; });
    CHECK(error == EPERM);
    CHECK(::fcntl(number, F_GETFD) < 0);
    alone->stop();
}
