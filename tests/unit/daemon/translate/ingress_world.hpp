// A plane that gets frames of a guest from a test and from nowhere else, and another worker that may own what they belong to.
// What reaches a socket goes to the guest's gateway, which is the loopback of the host.
#pragma once

#include "daemon/os/clock.hpp"
#include "daemon/plane/plane.hpp"
#include "proto/responder/icmp_error.hpp"
#include "proto/wire/arp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/guest_frames.hpp"
#include "tests/support/memory_tap.hpp"
#include "tests/support/octets.hpp"
#include "tests/support/port_unreachable.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace tapioca::test {

inline const auto guest4 = reference_network().address4.address, gateway4 = reference_network().gateway4;
inline const auto guest6 = reference_network().address6;
inline constexpr auto remote4 = ip_address::v4(203, 0, 113, 9), remote6 = ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9});

/// Worker 1, which owns nothing as long as nobody says so.
class another_worker final : public other_workers {
public:
    std::function<bool(std::uint64_t flow_hash)> owns = [](std::uint64_t) { return false; };
    bool is_better = false, accepts_data = true;
    std::vector<octet_vector> frames, datagrams; ///< that were handed over; of datagrams the upper layer

    bool claim(std::uint64_t /*flow_hash*/) noexcept override { return true; }
    void disclaim(std::uint64_t /*flow_hash*/) noexcept override {}
    [[nodiscard]] std::optional<unsigned> owner(std::uint64_t flow_hash) const noexcept override
    {
        return owns(flow_hash) ? std::optional{1U} : std::nullopt;
    }
    [[nodiscard]] std::optional<unsigned> who_listens() const noexcept override { return std::nullopt; }
    [[nodiscard]] std::optional<unsigned> better_place(flow_origin /*origin*/, std::uint16_t /*port*/) noexcept override
    {
        return is_better ? std::optional{1U} : std::nullopt;
    }
    [[nodiscard]] bool is_crowded() const noexcept override { return false; }
    [[nodiscard]] bool are_small(flow_origin /*origin*/, std::uint16_t /*port*/) const noexcept override { return false; }
    void note_end(flow_origin /*origin*/, std::uint16_t /*port*/, std::uint64_t /*octets*/) noexcept override {}
    bool hand_over(unsigned /*to*/, const tcp_flow& /*flow*/, const flow_birth& /*birth*/) noexcept override { return false; }
    void transfer(std::uint64_t /*flow_hash*/, unsigned /*to*/) noexcept override {}
    bool hand_over(unsigned to, const rx_frame& frame) noexcept override { return keep(to, frame.octets, frames); }
    bool hand_over(unsigned to, const packet& reassembled) noexcept override { return keep(to, reassembled.l4, datagrams); }
    bool hand_over(unsigned /*to*/, os::accepted& /*connection*/, const listener_name& /*through*/) noexcept override
    {
        return false;
    }

private:
    bool keep(unsigned to, bytes_view what, std::vector<octet_vector>& where) const
    {
        CHECK(to == 1);
        if (accepts_data)
            where.emplace_back(what.begin(), what.end());
        return accepts_data;
    }
};

struct ingress_world {
    explicit ingress_world(const flow_limits& limits = {}) : config(configuration(limits)) {}

    /// How many frames of the batch were for us.
    std::size_t process(const std::vector<octet_vector>& batch)
    {
        std::vector<rx_frame> frames;
        for (const auto& each : batch)
            frames.push_back({{}, each});
        return plane.process(frames, now);
    }
    [[nodiscard]] std::uint64_t count(report::counter c) const { return counters->value(c); }
    [[nodiscard]] std::uint64_t dropped(drop_reason why) const { return counters->dropped(why); }
    /// How many events of a kind there were since the last call.
    std::size_t told(report::event_kind kind)
    {
        std::size_t times = 0;
        events->drain([&](const report::worker_event& e) { times += e.kind == kind ? 1U : 0U; });
        return times;
    }

    plane_config config;
    memory_tap tap{{true, true, true}};
    os::poller poller;
    std::unique_ptr<report::counters> counters = std::make_unique<report::counters>();
    std::unique_ptr<report::event_ring> events = std::make_unique<report::event_ring>();
    guest_link link{mac_address::broadcast(), {}, {}, {}};
    another_worker other;
    instant now = os::now();
    tapioca::plane plane{{.config = &config,
                          .tap = tap,
                          .poller = poller,
                          .counters = *counters,
                          .events = *events,
                          .guest = link,
                          .others = &other},
                         {.tcp = 16, .udp = 16, .echo = 16, .tcp_splice = 16, .udp_splice = 16},
                         now};

private:
    static plane_config configuration(const flow_limits& limits)
    {
        plane_config c;
        c.net = reference_network();
        c.address_map.map_host_loopback4 = gateway4;
        c.limits = limits;
        c.secret = {1, 2};
        return c;
    }
};

inline flow_key key_between(const ip_address& guest, const ip_address& remote, octet protocol, std::uint16_t remote_port,
                            std::uint16_t guest_port = 43'001)
{
    return {guest, remote, guest_port, remote_port, protocol};
}

inline octet_vector segment_upper(const flow_key& key, octet flags = wire::tcp_ack, bytes_view payload = {})
{
    const wire::tcp_fields fields{key.guest_port, key.remote_port, seq_number{5000}, seq_number{1}, flags, 1000};
    return tcp_upper(key, fields, {}, payload);
}

/// Without SYN it is of a connection that nobody knows, and answered with a reset.
inline octet_vector segment(const flow_key& key, octet flags = wire::tcp_ack)
{
    return ip_frame(key, wire::protocol_tcp, segment_upper(key, flags));
}

inline octet_vector datagram(const flow_key& key, bytes_view payload = {})
{
    return ip_frame(key, wire::protocol_udp, udp_upper(key, payload));
}

inline octet_vector arp(std::uint16_t operation = wire::arp_request_operation)
{
    octet_vector frame;
    append(frame, wire::ethernet_header{mac_address::broadcast(), guest_mac, static_cast<std::uint16_t>(wire::ethertype::arp)});
    append(frame, wire::make_arp({operation, guest_mac, ip_address::v4(198, 51, 100, 77), {}, gateway4}));
    return frame;
}

inline octet_vector echo_request(const ip_address& to)
{
    const auto key = key_between(guest4, to, 0, 0);
    return ip_frame(key, wire::protocol_icmp, echo_upper(key, wire::icmpv4_echo_request, 0, {}));
}

/// The guest's error about a packet that came to it in a flow.
inline octet_vector error_about(const flow_key& key, const icmp_cause& cause)
{
    constexpr std::array<octet, 8> quoted{};
    icmp_error_request r{.cause = cause};
    r.offender = key.guest;
    r.protocol = key.protocol;
    r.guest = {key.remote, key.remote_port}; // who sent the quoted packet
    r.remote = {key.guest, key.guest_port};
    r.payload = quoted;
    r.payload_length = quoted.size();
    octet_vector frame(1500);
    frame.resize(icmp_error(r, frame));
    REQUIRE_FALSE(frame.empty());
    return frame;
}

/// A datagram whose upper layer is cut behind so many octets, into two fragments.
inline std::vector<octet_vector> in_two(const flow_key& key, octet protocol, bytes_view upper, std::uint16_t at,
                                        std::uint16_t identification = 7)
{
    const ip_choices first{.identification = identification, .more_fragments = true};
    const ip_choices last{.identification = identification, .fragment_offset = at};
    return {ip_frame(key, protocol, upper.first(at), first), ip_frame(key, protocol, upper.subspan(at), last)};
}

} // namespace tapioca::test
