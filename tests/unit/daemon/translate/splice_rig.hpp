// A tcp_splice between real sockets of the loopback interface, and a loop that gives it its turns.
#pragma once

#include "daemon/os/clock.hpp"
#include "daemon/os/listen.hpp"
#include "daemon/plane/plane.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/stream_pattern.hpp"

#include <climits>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/resource.h>
#include <sys/socket.h>

namespace tapioca::test {

inline std::size_t open_descriptors()
{
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"})
        ++count;
    return count;
}

/// No descriptor is left over at the end of a test.
struct descriptor_balance {
    std::size_t before = open_descriptors();
    ~descriptor_balance() { CHECK(open_descriptors() == before); }
};

/// While it lives, the process gets no further descriptor, or a single one.
class no_more_descriptors {
public:
    explicit no_more_descriptors(rlim_t spare = 0)
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const os::unique_fd free{::fcntl(0, F_DUPFD_CLOEXEC, 0)};
        const rlimit tight{static_cast<rlim_t>(free.get()) + spare, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &tight);
    }
    ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    no_more_descriptors(const no_more_descriptors&) = delete;
    no_more_descriptors& operator=(const no_more_descriptors&) = delete;

private:
    rlimit before_{};
};

/// Instead of what grows with the traffic.
inline void set_buffers(int fd, int octets)
{
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
}

/// Sockets of our own namespace in the place of the guest's.
class plain_sockets final : public namespace_sockets {
public:
    int left = INT_MAX;
    int buffers = 0;
    int last = -1; ///< that was taken

    [[nodiscard]] os::unique_fd take(kind k) noexcept override
    {
        if (left == 0)
            return {};
        --left;
        auto made = os::tcp_socket(k == kind::tcp4 ? ip_family::ipv4 : ip_family::ipv6);
        if (!made)
            return {};
        if (buffers != 0)
            set_buffers(made->get(), buffers);
        last = made->get();
        return std::move(*made);
    }
};

class no_tap final : public tap_queue {
public:
    [[nodiscard]] offloads offload() const noexcept override { return {}; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t) noexcept override { return {}; }
    [[nodiscard]] tx_slot acquire() noexcept override { return {}; }
    bool commit(const wire::virtio_net_header&, std::size_t, std::size_t) noexcept override { return false; }
    bool send(const wire::virtio_net_header&, octet*, std::size_t, std::size_t) noexcept override { return false; }
    void flush() noexcept override {}
};

/// A client or a server: sends a pattern, and checks that of the other.
struct stream_end {
    os::unique_fd fd;
    stream_pattern pattern{1};
    std::uint64_t sent = 0, received = 0;
    bool ended = false, equal = true;
    int error = 0;

    /// Returns how many octets the socket took.
    std::size_t send(std::size_t octets)
    {
        const auto data = room(octets);
        pattern.fill(data, sent);
        const auto n = ::send(fd.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            error = errno;
        sent += n > 0 ? static_cast<std::uint64_t>(n) : 0;
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    std::size_t receive(std::size_t most)
    {
        const auto data = room(most);
        const auto n = ::recv(fd.get(), data.data(), data.size(), MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            error = errno;
        if (n == 0)
            ended = true;
        if (n <= 0)
            return 0;
        equal = equal && pattern.matches(data.first(static_cast<std::size_t>(n)), received);
        received += static_cast<std::uint64_t>(n);
        return static_cast<std::size_t>(n);
    }
    void receive_all()
    {
        while (receive(1 << 20) != 0) {
        }
    }
    void end() const { ::shutdown(fd.get(), SHUT_WR); }
    void reset()
    {
        os::reset_on_close(fd.get());
        fd.reset();
    }

private:
    static bytes_span room(std::size_t octets)
    {
        static std::vector<octet> all(4 << 20);
        return bytes_span{all}.first(octets);
    }
};

struct stream_ends {
    stream_end client, server;
};

class splice_rig {
public:
    explicit splice_rig(ip_family family = ip_family::ipv4, rule_side side = rule_side::host)
        : family_(family), side_(side), front_(listen()), back_(listen()), config_(configure()),
          guest_({}, loopback(ip_family::ipv4), loopback(ip_family::ipv6), {}),
          plane_({.config = &config_,
                  .tap = tap_,
                  .poller = poller_,
                  .counters = counters_,
                  .events = events_,
                  .guest = guest_,
                  .in_namespace = &sockets},
                 {.tcp = 16, .udp = 16, .echo = 16, .tcp_splice = 1024, .udp_splice = 16, .large_pipes = 16}, os::now())
    {
        std::signal(SIGPIPE, SIG_IGN); // as the workers do
        REQUIRE(poller_.add(front_.get(), token_of(source::tcp_listener), os::trigger::level).has_value());
    }

    static ip_address loopback(ip_family f)
    {
        return f == ip_family::ipv4 ? ip_address::v4(127, 0, 0, 1) : ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});
    }

    void turn()
    {
        const auto now = os::now();
        const auto soon = now + std::chrono::milliseconds{1};
        for (const auto& e : poller_.wait(now, std::min(soon, plane_.next_deadline(now))))
            dispatch(e, now);
        plane_.end_turn(now);
    }
    template <class Condition>
    [[nodiscard]] bool turns_until(Condition condition)
    {
        for (const auto end = os::now() + std::chrono::seconds{20}; os::now() < end; turn())
            if (condition())
                return true;
        return false;
    }
    void turns(int count)
    {
        for (int i = 0; i < count; ++i)
            turn();
    }

    [[nodiscard]] stream_end client(const ip_address& to, int buffers = 0) const { return {dial(to, port(front_), buffers)}; }
    [[nodiscard]] stream_end client() const { return client(loopback(family_)); }
    /// What the translator has connected to, if it has.
    [[nodiscard]] os::unique_fd accept() const { return os::unique_fd{::accept4(back_.get(), nullptr, nullptr, SOCK_CLOEXEC)}; }
    [[nodiscard]] stream_end server()
    {
        os::unique_fd fd;
        REQUIRE(turns_until([&] {
            fd = accept();
            return static_cast<bool>(fd);
        }));
        return {std::move(fd)};
    }
    /// `buffers`: of all four sockets, if not what grows with the traffic.
    [[nodiscard]] stream_ends pair(int buffers = 0)
    {
        sockets.buffers = buffers;
        for (const int listener : {front_.get(), back_.get()})
            if (buffers != 0)
                set_buffers(listener, buffers); // inherited
        auto front = client(loopback(family_), buffers);
        return {std::move(front), server()};
    }
    void stop_serving() { back_.reset(); }
    [[nodiscard]] std::uint64_t count(report::counter c) const { return counters_.value(c); }
    [[nodiscard]] std::uint64_t ended(end_reason why) const { return counters_.ended(why); }
    [[nodiscard]] std::uint64_t dropped(drop_reason why) const { return counters_.dropped(why); }
    [[nodiscard]] plane_config& config() { return config_; }
    [[nodiscard]] tapioca::plane& plane() { return plane_; }
    void limit_by(flow_budget& budget) { plane_.common().budget = &budget; }

    bool pretend = false; ///< that peers come from elsewhere
    bool deaf = false;    ///< events of connections get lost

    plain_sockets sockets;

private:
    [[nodiscard]] os::unique_fd listen() const
    {
        auto fd = os::listen_tcp({.stack = family_ == ip_family::ipv4 ? listen_stack::ipv4 : listen_stack::ipv6});
        REQUIRE(fd.has_value());
        return std::move(*fd);
    }
    static std::uint16_t port(const os::unique_fd& listener) { return os::local_endpoint(listener.get()).value().port; }
    static os::unique_fd dial(const ip_address& to, std::uint16_t port, int buffers)
    {
        auto fd = os::tcp_socket(to.family());
        REQUIRE(fd.has_value());
        if (buffers != 0)
            set_buffers(fd->get(), buffers);
        REQUIRE(os::connect(fd->get(), {to, port}).has_value());
        return std::move(*fd);
    }
    [[nodiscard]] plane_config configure() const
    {
        plane_config c;
        c.splice = true;
        forward_rule rule{.protocol = wire::protocol_tcp};
        rule.first = rule.last = port(front_);
        rule.target_first = port(back_);
        (side_ == rule_side::host ? c.host_rules : c.guest_rules).push_back(rule);
        return c;
    }
    void dispatch(const os::event& e, instant now)
    {
        if (deaf)
            return;
        if (static_cast<source>(e.what.kind) != source::tcp_listener)
            return plane_.take(e, now);
        auto connection = os::accept(front_.get());
        if (!connection)
            return;
        if (pretend)
            connection->peer.address = ip_address::v4(192, 0, 2, 1);
        plane_.take_connection(std::move(*connection), {side_, 0, port(front_), wire::protocol_tcp}, now);
    }

    ip_family family_;
    rule_side side_;
    os::unique_fd front_, back_;
    plane_config config_;
    no_tap tap_;
    os::poller poller_;
    report::counters counters_;
    report::event_ring events_;
    guest_link guest_;
    tapioca::plane plane_;

public:
    tcp_splice& splice = plane_.tcp_bypass();
};

} // namespace tapioca::test
