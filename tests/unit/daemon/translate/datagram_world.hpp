// The UDP translators over real sockets of the loopback, without a tap: what they would tell the guest is counted, and kept where
// a test asks for it.
#pragma once

#include "daemon/os/clock.hpp"
#include "daemon/os/listen.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/plane/plane.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tapioca::test {

class silent_tap final : public tap_queue {
public:
    [[nodiscard]] offloads offload() const noexcept override { return granted; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }
    [[nodiscard]] bool accepts_data() const noexcept override { return room; }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t /*most*/) noexcept override { return {}; }
    [[nodiscard]] tx_slot acquire() noexcept override { return tx_slot{slot_}.subspan(tap_headroom, largest_body); }
    bool commit(const wire::virtio_net_header& /*vnet*/, std::size_t /*headers*/, std::size_t /*payload*/) noexcept override
    {
        return true;
    }
    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t /*headers*/, std::size_t length) noexcept override
    {
        const std::size_t each = vnet.gso_type == wire::vnet_gso_none ? length : vnet.gso_size;
        for (std::size_t at = 0; keeps && at < length; at += each)
            kept.emplace_back(reinterpret_cast<const char*>(payload) + at, std::min(each, length - at));
        return true;
    }
    void flush() noexcept override {}

    offloads granted;
    bool room = true, keeps = false;
    std::vector<std::string> kept; ///< datagrams that came as frames of their own or in super-frames

private:
    std::vector<octet> slot_ = std::vector<octet>(tap_headroom + largest_body);
};

/// Makes its sockets where the test runs.
class one_namespace final : public namespace_sockets {
public:
    [[nodiscard]] os::unique_fd take(kind k) noexcept override
    {
        if (!prepared.empty()) {
            auto fd = std::move(prepared.front());
            prepared.pop_front();
            return fd;
        }
        if (exhausted)
            return {};
        auto fd = os::udp_socket(k == kind::udp4 ? ip_family::ipv4 : ip_family::ipv6);
        return fd ? std::move(*fd) : os::unique_fd{};
    }

    bool exhausted = false;
    std::deque<os::unique_fd> prepared; ///< these come first
};

/// A program with a socket.
class talker {
public:
    explicit talker(const endpoint& at) : fd_(std::move(os::udp_socket(at.address.family()).value()))
    {
        REQUIRE(os::bind(fd_.get(), at).has_value());
        here_ = os::local_endpoint(fd_.get()).value();
    }

    [[nodiscard]] const endpoint& here() const { return here_; }
    void leave() { fd_.reset(); }
    void say(const endpoint& to, std::string_view text, std::uint16_t segment = 0) const
    {
        const bytes_view piece{reinterpret_cast<const octet*>(text.data()), text.size()};
        const os::addressing between{to, {}};
        const os::outgoing out{.pieces = {&piece, 1}, .segment = segment, .ttl = {}, .tos = {}, .between = &between};
        REQUIRE(os::send_batch(fd_.get(), to.address.family(), {&out, 1}).has_value());
    }

    struct heard {
        std::string text;
        endpoint from;
        bool operator==(const heard&) const = default;
    };
    [[nodiscard]] std::optional<heard> hear() const
    {
        std::vector<octet> room(65536);
        const bytes_span into{room};
        os::incoming in;
        const auto count = os::receive_batch(fd_.get(), {&into, 1}, {&in, 1}, os::want_addresses::yes);
        if (!count)
            return std::nullopt;
        return heard{{reinterpret_cast<const char*>(room.data()), in.length}, in.source};
    }

private:
    os::unique_fd fd_;
    endpoint here_;
};

struct datagram_world {
    static constexpr auto loopback4 = ip_address::v4(127, 0, 0, 1), public4 = ip_address::v4(127, 0, 0, 2);
    static constexpr auto loopback6 = ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});

    /// `host` and `guest`: one rule of each side, on a free port; nothing listens on a port of 0.
    explicit datagram_world(const forward_rule& host, const forward_rule& guest = {}, std::size_t flows = 256)
        : config(configuration(host, guest)), link(mac_address::broadcast(), public4, {}, {}),
          plane({.config = &config,
                 .tap = tap,
                 .poller = poller,
                 .counters = *counters,
                 .events = *events,
                 .guest = link,
                 .in_namespace = &sockets},
                {.tcp = 16, .udp = flows, .echo = 16, .tcp_splice = 16, .udp_splice = flows}, now)
    {
        listen(rule_side::host, config.host_rules[0]);
        listen(rule_side::guest, config.guest_rules[0]);
    }

    /// A rule for a port that was free a moment ago.
    [[nodiscard]] static forward_rule rule(listen_stack stack, std::uint16_t target)
    {
        const talker free{{stack == listen_stack::ipv4 ? ip_address::v4(0) : ip_address{}, 0}};
        const auto port = free.here().port;
        return {.protocol = wire::protocol_udp, .stack = stack, .first = port, .last = port, .target_first = target};
    }

    /// Until nothing happens any more.
    void settle()
    {
        while (turn(std::chrono::milliseconds{20}) != 0) {
        }
    }

    /// How many events there were.
    std::size_t turn(duration patience = {})
    {
        const auto ready = poller.wait(now, now + patience);
        for (const auto& e : ready)
            dispatch(e);
        plane.end_turn(now);
        return ready.size();
    }

    void pass(duration time)
    {
        now += time;
        plane.end_turn(now);
    }

    [[nodiscard]] std::uint64_t count(report::counter c) const { return counters->value(c); }
    [[nodiscard]] std::uint64_t dropped(drop_reason why) const { return counters->dropped(why); }

    plane_config config;
    silent_tap tap;
    os::poller poller;
    std::unique_ptr<report::counters> counters = std::make_unique<report::counters>();
    std::unique_ptr<report::event_ring> events = std::make_unique<report::event_ring>();
    guest_link link;
    one_namespace sockets;
    instant now = os::now();
    tapioca::plane plane;
    context& ctx = plane.common();
    udp_translator& udp = plane.udp();
    udp_splice& splice = plane.udp_bypass();

private:
    static plane_config configuration(const forward_rule& host, const forward_rule& guest)
    {
        plane_config c;
        c.net.ipv4 = c.net.ipv6 = true;
        c.splice = true;
        c.host_rules.push_back(host);
        c.guest_rules.push_back(guest);
        c.secret = {1, 2};
        return c;
    }

    void listen(rule_side side, const forward_rule& rule)
    {
        if (rule.first == 0)
            return;
        auto fd = os::listen_udp({.stack = rule.stack, .address = rule.address, .interface = {}, .port = rule.first});
        REQUIRE(fd.has_value());
        const listener_name name{side, 0, rule.first, wire::protocol_udp};
        plane.listen({std::move(*fd), name}, now);
        REQUIRE(plane.listeners().find(name) != nullptr); // it is watched
    }

    void dispatch(const os::event& e)
    {
        const auto from = static_cast<source>(e.what.kind);
        if (from != source::udp_listener && from != source::udp_port && from != source::udp_splice)
            FAIL("an event of nobody");
        plane.take(e, now);
    }
};

} // namespace tapioca::test
