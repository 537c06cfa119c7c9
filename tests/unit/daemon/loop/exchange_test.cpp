// What the planes know is exchanged a thousand times while two workers carry connections, streams and datagrams.

#include "daemon/loop/worker_pool.hpp"
#include "daemon/os/clock.hpp"
#include "daemon/os/listen.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <malloc.h>
#include <sys/socket.h>
#include <thread>

using namespace tapioca;

namespace {

constexpr ip_address loopback = ip_address::v4(127, 0, 0, 1);

std::uint16_t port_of(const os::unique_fd& fd) { return os::local_endpoint(fd.get()).value().port; }

/// Blocks for five seconds at most.
os::unique_fd call(int type, std::uint16_t port)
{
    os::unique_fd fd{::socket(AF_INET, type | SOCK_CLOEXEC, 0)};
    const timeval patience{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)os::connect(fd.get(), {loopback, port});
    return fd;
}

/// Answers one question with itself on each connection, and on the socket of datagrams all of them, until `stop`.
void answer_all(int streams, int datagrams, const std::atomic<bool>& stop)
{
    std::array<char, 4096> octets;
    while (!stop.load()) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        if (const auto n =
                ::recvfrom(datagrams, octets.data(), octets.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
            n > 0)
            (void)::sendto(datagrams, octets.data(), static_cast<std::size_t>(n), 0, reinterpret_cast<sockaddr*>(&from), size);
        if (const os::unique_fd fd{::accept4(streams, nullptr, nullptr, SOCK_CLOEXEC)}; fd) {
            const auto n = ::recv(fd.get(), octets.data(), octets.size(), 0);
            if (n > 0)
                (void)::send(fd.get(), octets.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL);
        }
        std::this_thread::yield();
    }
}

/// Asks until `stop`; counts answers, and what was not answered as it should.
void ask_all(int type, std::uint16_t port, const std::atomic<bool>& stop, std::uint64_t& right, std::uint64_t& wrong)
{
    for (auto one_more = call(type, port); !stop.load(); one_more = call(type, port)) {
        std::array<char, 1000> question, answer{};
        question.fill(static_cast<char>('a' + right % 26));
        const bool sent = ::send(one_more.get(), question.data(), question.size(), MSG_NOSIGNAL) == ssize_t{question.size()};
        const auto n = ::recv(one_more.get(), answer.data(), answer.size(), type == SOCK_STREAM ? MSG_WAITALL : 0);
        ++(sent && n == ssize_t{answer.size()} && answer == question ? right : wrong);
    }
}

/// Sends as much as goes in until `stop`; how much of it arrived.
void move_bulk(std::uint16_t port, const os::unique_fd& sink, const std::atomic<bool>& stop, std::uint64_t& moved)
{
    const auto from = call(SOCK_STREAM, port);
    os::unique_fd to;
    while (!to && !stop.load())
        to.reset(::accept4(sink.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::vector<char> octets(1 << 16);
    while (!stop.load()) {
        const auto sent = ::send(from.get(), octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent;
        if (const auto n = ::recv(to.get(), octets.data(), octets.size(), MSG_DONTWAIT); n > 0)
            moved += static_cast<std::uint64_t>(n);
    }
}

} // namespace

TEST_CASE("a thousand exchanges of the snapshot lose nothing, and each is given back")
{
    std::array<os::unique_fd, 3> front{std::move(*os::listen_tcp({.stack = listen_stack::ipv4})),
                                       std::move(*os::listen_tcp({.stack = listen_stack::ipv4})),
                                       std::move(*os::listen_udp({.stack = listen_stack::ipv4}))};
    const auto back = std::move(*os::listen_tcp({.stack = listen_stack::ipv4})),
               sink = std::move(*os::listen_tcp({.stack = listen_stack::ipv4}));
    const auto datagrams = std::move(*os::listen_udp({.stack = listen_stack::ipv4}));
    plane_config config;
    plane_resources resources;
    resources.tap_queues.emplace_back(no_tap{});
    resources.tap_queues.emplace_back(no_tap{});
    std::array<std::uint16_t, 3> ports{};
    const std::array targets{port_of(back), port_of(sink), port_of(datagrams)};
    for (std::uint8_t i = 0; i < 3; ++i) {
        forward_rule rule{.protocol = i == 2 ? wire::protocol_udp : wire::protocol_tcp, .stack = listen_stack::ipv4};
        rule.first = rule.last = ports[i] = port_of(front[i]);
        rule.target_first = targets[i];
        config.guest_rules.push_back(rule); // what the namespace asks needs no sockets of the namespace
        resources.listeners.push_back({std::move(front[i]), {rule_side::guest, i, ports[i], rule.protocol}});
    }
    worker_pool pool{config, std::move(resources)};
    pool.start([] {});

    std::atomic<bool> stop = false, stop_server = false;
    std::uint64_t connections = 0, exchanges = 0, wrong_connections = 0, wrong_exchanges = 0, moved = 0;
    std::thread server{[&] { answer_all(back.get(), datagrams.get(), stop_server); }};
    std::thread caller{[&] { ask_all(SOCK_STREAM, ports[0], stop, connections, wrong_connections); }};
    std::thread talker{[&] { ask_all(SOCK_DGRAM, ports[2], stop, exchanges, wrong_exchanges); }};
    std::thread sender{[&] { move_bulk(ports[1], sink, stop, moved); }};

    const auto before = ::mallinfo2().uordblks;
    for (int i = 0; i < 1000; ++i) {
        pool.exchange([&](plane_config& next) { next.udp_timeout = std::chrono::seconds{30 + i % 2}; });
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    stop = true;
    caller.join();
    talker.join();
    sender.join();
    stop_server = true;
    server.join();
    for (int i = 0; i < 2; ++i) { // the second exchange gives back what the others left
        pool.exchange([](plane_config&) {});
        for (const auto end = os::now() + std::chrono::seconds{5}; !pool.have_obeyed() && os::now() < end;)
            std::this_thread::yield();
    }
    CHECK(pool.have_obeyed());
    CHECK(::mallinfo2().uordblks < before + 16 * sizeof(plane_config));
    CHECK((wrong_connections == 0 && wrong_exchanges == 0));
    CHECK((connections > 50 && exchanges > 50 && moved > 1'000'000));
    WARN(connections << " connections, " << exchanges << " datagrams, " << moved << " octets");
}
