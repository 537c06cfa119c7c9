// Why packets are dropped, in words for people.
#pragma once

#include "proto/base/result.hpp"

namespace tapioca {

inline constexpr std::array<std::string_view, drop_reason_count> drop_reason_words = {
    "the packet ends inside a field",
    "a length field contradicts the frame",
    "the IP version contradicts the EtherType",
    "the length of the IP or TCP header is impossible",
    "an option contradicts its own length",
    "a type or code that is not defined in this direction",
    "the checksum is wrong",
    "neighbour discovery with a hop limit other than 255",
    "neither ARP, IPv4 nor IPv6",
    "an IP protocol that is not translated",
    "IPv4 or IPv6 is switched off",
    "TCP, UDP or ICMP is switched off",
    "a loopback address on the wire",
    "an endpoint that must be unicast is not",
    "an endpoint that must be specified is not",
    "port 0",
    "the IPv6 header chain is malformed, too long or ends in \"no next header\"",
    "a request that another node must answer, or an answer that was not asked for",
    "kept until its datagram is complete",
    "overlapping fragments",
    "fragments beyond 65535 octets",
    "a fragment whose length is not a multiple of eight, though more follow",
    "no memory for fragments",
    "the datagram was never completed",
    "a segment that belongs to no connection",
    "no room for another flow",
    "the host refused a socket for a new flow",
    "the host refused the datagram, or the connection has failed",
    "the host's path is narrower than the datagram",
    "octets beyond the advertised window",
    "no memory for octets that the socket does not take yet",
    "the queue to another worker is full",
    "the frame is longer than the receive buffer",
    "the tap refused a frame towards the guest",
    "an offload header that contradicts its frame",
    "more answers of this kind than allowed",
    "no address under which the guest could see the peer",
    "the rule has as many connections as the guest may leave unanswered",
    "UDP and echo have their share of the descriptors",
    "a limit on flows says no",
    "more new flows in a second than allowed",
    "a frame for another station of the guest's link",
    "a query while the host has no resolver",
    "the answer of a resolver to a query that has been answered",
    "news of the guest's own addresses, which nobody has to answer",
    "group membership, of interest to multicast routers",
    "router advertisements are switched off",
    "a protocol of bridges and switches, which ends at the link",
};
static_assert(!drop_reason_words.back().empty());

} // namespace tapioca
