// Frames as a guest makes them, from a few choices: lengths and checksums right, so that what is behind them is reached.
#pragma once

#include "proto/flow/key.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/reference_network.hpp"

#include <vector>

namespace tapioca::test {

using octet_vector = std::vector<octet>;

template <wire_header T>
void append(octet_vector& to, const T& header)
{
    const auto* at = reinterpret_cast<const octet*>(&header);
    to.insert(to.end(), at, at + sizeof header);
}
inline void append(octet_vector& to, bytes_view octets) { to.insert(to.end(), octets.begin(), octets.end()); }

inline constexpr mac_address our_mac = guest_network{}.our_mac;

struct ip_choices {
    octet ttl = 64, tos = 0;
    bool dont_fragment = false;
    std::uint16_t identification = 0;
    std::uint16_t fragment_offset = 0; ///< in octets, a multiple of eight
    bool more_fragments = false;
};

/// An upper layer in a packet from the guest's end of the flow to the other.
inline octet_vector ip_frame(const flow_key& key, octet protocol, bytes_view upper, const ip_choices& c = {})
{
    octet_vector frame;
    const bool v4 = key.guest.is_v4();
    const auto type = v4 ? wire::ethertype::ipv4 : wire::ethertype::ipv6;
    append(frame, wire::ethernet_header{our_mac, guest_mac, static_cast<std::uint16_t>(type)});
    const bool fragment = c.fragment_offset != 0 || c.more_fragments;
    if (v4) {
        const auto flags = (c.dont_fragment ? wire::ipv4_dont_fragment : 0) | (c.more_fragments ? wire::ipv4_more_fragments : 0);
        append(frame, wire::make_ipv4({.source = key.guest,
                                       .destination = key.remote,
                                       .protocol = protocol,
                                       .ttl = c.ttl,
                                       .tos = c.tos,
                                       .identification = c.identification,
                                       .flags_fragment = static_cast<std::uint16_t>(flags | c.fragment_offset / 8)},
                                      upper.size()));
    } else {
        constexpr octet fragment_header = 44; // RFC 8200 section 4.5
        append(frame, wire::make_ipv6({.source = key.guest,
                                       .destination = key.remote,
                                       .next_header = fragment ? fragment_header : protocol,
                                       .hop_limit = c.ttl,
                                       .traffic_class = c.tos},
                                      upper.size() + (fragment ? 8 : 0)));
        if (fragment) {
            append(frame, std::array<octet, 2>{protocol, 0});
            append(frame, be16{static_cast<std::uint16_t>(c.fragment_offset | (c.more_fragments ? 1 : 0))});
            append(frame, be32{c.identification});
        }
    }
    append(frame, upper);
    return frame;
}

inline octet_vector tcp_upper(const flow_key& key, const wire::tcp_fields& fields, bytes_view options, bytes_view payload)
{
    octet_vector upper;
    auto f = fields;
    f.source_port = key.guest_port;
    f.destination_port = key.remote_port;
    append(upper, wire::make_tcp(f, options.size()));
    append(upper, options);
    append(upper, payload);
    return upper;
}

inline octet_vector udp_upper(const flow_key& key, bytes_view payload)
{
    octet_vector upper;
    append(upper, wire::make_udp({key.guest, key.guest_port}, {key.remote, key.remote_port}, payload));
    append(upper, payload);
    return upper;
}

inline octet_vector echo_upper(const flow_key& key, octet type, octet code, bytes_view payload)
{
    octet_vector upper;
    append(upper, wire::icmp_header{type, code, 0, key.guest_port, 1});
    append(upper, payload);
    return upper;
}

/// Makes the lengths of a frame's headers fit the frame, as far as the frame has these headers: a mutation behind them is seen.
inline void repair(octet_vector& frame)
{
    constexpr std::size_t ip = sizeof(wire::ethernet_header);
    const auto put = [&](std::size_t at, std::size_t value) {
        const be16 field = static_cast<std::uint16_t>(value);
        std::memcpy(frame.data() + at, &field, sizeof field);
    };
    if (frame.size() < ip + 28)
        return;
    std::size_t upper = 0;
    octet protocol = 0;
    if (frame[12] == 0x08 && frame[13] == 0x00) {
        frame[ip] = static_cast<octet>(0x40 | std::max<octet>(frame[ip] & 15, 5));
        put(ip + 2, frame.size() - ip);
        upper = ip + 4U * (frame[ip] & 15);
        protocol = frame[ip + 9];
    } else if (frame[12] == 0x86 && frame[13] == 0xdd && frame.size() >= ip + 48) {
        frame[ip] = static_cast<octet>(0x60 | (frame[ip] & 15));
        put(ip + 4, frame.size() - ip - 40);
        upper = ip + 40;
        protocol = frame[ip + 6];
    }
    if (upper != 0 && protocol == wire::protocol_udp && upper + 8 <= frame.size())
        put(upper + 4, frame.size() - upper);
}

} // namespace tapioca::test
