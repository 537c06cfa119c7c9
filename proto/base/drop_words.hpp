// Each reason to drop a packet in words, for people. doc/counters.md has the same ones, and says what to do.
#pragma once

#include "proto/base/result.hpp"

namespace tapioca {

inline constexpr std::array<std::string_view, drop_reason_count> drop_reason_words = {
    "the packet ends too early, or a datagram was longer than there was room for",
    "a length contradicts the frame",
    "the IP version contradicts the frame's type",
    "a header's length is impossible",
    "an option of IP, TCP, ND or DHCP is malformed or out of place",
    "a kind of message that is not understood, mostly ICMP",
    "the checksum is wrong",
    "neighbour discovery that came from beyond the link",
    "neither IP nor ARP, as VLAN tags",
    "a protocol beyond TCP, UDP and ICMP, as SCTP or a tunnel",
    "IPv4 or IPv6 is off: by option, or for want of a route on the host",
    "off by option: --no-tcp, --no-udp, --no-icmp, --no-ndp, --no-dhcp, --no-dhcpv6",
    "a loopback address on the wire",
    "a group or broadcast where one station is needed",
    "no address where one is needed",
    "port 0",
    "an IPv6 header chain that is malformed, too long or leads nowhere",
    "a request to another server, or an answer or error about nothing that is under way",
    "fragments kept until the rest is here: no loss",
    "fragments that overlap",
    "fragments beyond the largest datagram",
    "a fragment of an impossible length",
    "too many incomplete datagrams at once",
    "a datagram was never completed",
    "a segment, datagram or error of no flow that is known",
    "no room for another flow",
    "the host refused a socket",
    "the host refused to send",
    "a datagram larger than the host's path; the guest is told",
    "TCP octets that the guest was not allowed to send",
    "TCP octets for which there was no memory left; the guest sends them again",
    "a packet for another worker found no room",
    "a frame longer than any that is allowed",
    "the guest's interface refused a frame",
    "offload data that contradicts its frame",
    "more answers of one kind than are given",
    "there is no address under which the guest could see that peer",
    "too many connections to one forwarded port that the guest has not answered",
    "UDP and echo have used their share of the open files",
    "--max-flows is reached, or a kind's share of the open files",
    "more new flows in a second than the user allows",
    "a frame for another station behind the guest's bridge",
    "a query of the guest while the host has no resolver",
    "a resolver's answer to a query that another resolver has answered",
    "the egress policy does not let the guest go there; the guest is told",
    "more than the egress policy lets through: octets a second, connections, or its quota",
    "the audit log takes no more, and --audit-required lets nothing pass that is not recorded",
    "the guest tells which addresses are its own, asks whether they are taken (duplicate detection), answers our questions, or "
    "gives an address back by DHCP",
    "the guest tells which multicast groups it listens to (IGMP, MLD)",
    "the guest looks for a router, but announcements are off (--config-net, --no-ra)",
    "what bridges and switches say to each other: spanning tree, LLDP, 802.1X",
};
static_assert(!drop_reason_words.back().empty());

[[nodiscard]] constexpr std::string_view words_of(drop_reason why) noexcept { return drop_reason_words[index(why)]; }

} // namespace tapioca
