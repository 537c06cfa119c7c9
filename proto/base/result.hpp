// The outcome of looking at a packet: a value, or the reason why the packet is dropped and counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace tapioca {

/// Why a packet was not translated. The index of a counter; the names are printed with it.
enum class drop_reason : std::uint8_t {
    truncated,           ///< the packet ends inside a field
    bad_length,          ///< a length field contradicts the frame
    bad_version,         ///< the IP version contradicts the EtherType
    bad_header_length,   ///< IHL or TCP data offset below its minimum or beyond the packet
    bad_option,          ///< an option contradicts its own length
    bad_type,            ///< a type or code the protocol does not define for this direction
    bad_checksum,        ///< a checksum was present, verifiable and wrong
    bad_hop_limit,       ///< NDP with a hop limit other than 255 (RFC 4861 section 6.1)
    unknown_ethertype,   ///< neither ARP, IPv4 nor IPv6
    unknown_protocol,    ///< an IP protocol that is not translated
    family_disabled,     ///< IPv4 or IPv6 switched off
    protocol_disabled,   ///< TCP, UDP or ICMP switched off
    loopback_address,    ///< a loopback address on the wire
    not_unicast,         ///< an endpoint that must be unicast is not
    unspecified_address, ///< an endpoint that must be specified is not
    zero_port,           ///< port 0
    extension_header,    ///< an IPv6 header chain that is malformed, too long or ends in "no next header"
    not_for_us,          ///< a request that another node must answer, or an answer that we did not ask for
    fragment_held,       ///< not a loss: kept until its datagram is complete
    fragment_overlap,    ///< overlapping fragments (RFC 5722: the whole datagram goes)
    fragment_too_large,  ///< fragments beyond 65535 octets
    fragment_bad,        ///< a fragment whose length is not a multiple of eight though more follow
    fragment_no_memory,  ///< the reassembly pool is exhausted
    fragment_timeout,    ///< a datagram was never completed
    no_flow,             ///< a segment that belongs to no connection
    flow_table_full,     ///< no room for another flow
    socket_failed,       ///< the host refused a socket for a new flow
    send_failed,         ///< the host refused a datagram, or TCP octets of a connection that has failed
    message_too_big,     ///< the host's path is narrower than the datagram
    outside_window,      ///< TCP octets beyond the advertised window
    overflow_exhausted,  ///< TCP octets inside the window, but the overflow pool is empty
    mailbox_full,        ///< a frame for another worker did not fit its mailbox
    tap_truncated,       ///< the frame filled the receive buffer to the brim
    tap_write_failed,    ///< the tap refused a frame towards the guest
    tap_gso,             ///< an offload header that contradicts its frame
    rate_limited,        ///< more answers of this kind than allowed
    no_translation,      ///< no address under which the guest could see the peer
    unanswered_share,    ///< a peer's connection through a rule with as many as it may have that the guest has not answered
    datagram_share,      ///< no flow for a datagram: UDP and echo have their share of the descriptors
    flow_limit,          ///< no further flow: a limit that the user set, or a kind's share of the descriptors
    new_flow_rate,       ///< more new flows in a second than the user allows
    other_station,       ///< a frame for another station of the guest's link
    no_resolver,         ///< a query while the host has no resolver
    late_answer,         ///< a resolver's, to a query that has been answered
    egress_denied,       ///< the egress policy does not let the guest go there
    egress_limit,        ///< more than the egress policy lets through: octets, connections, or its quota
    audit_full,          ///< no flow, because what must be recorded could not be
    // From here on ordinary: no losses.
    address_news,        ///< ARP, ND or DHCP that tells of the guest's own addresses, or asks whether they are taken
    group_membership,    ///< IGMP or MLD: the groups that the guest listens to, of interest to a multicast router
    router_solicitation, ///< where router advertisements are switched off
    link_protocol,       ///< of bridges and switches, which ends at the link: spanning tree, LLDP, 802.1X
    count_
};

inline constexpr std::size_t drop_reason_count = static_cast<std::size_t>(drop_reason::count_);

inline constexpr std::array<std::string_view, drop_reason_count> drop_reason_names = {
    "truncated",          "bad_length",        "bad_version",        "bad_header_length", "bad_option",
    "bad_type",           "bad_checksum",      "bad_hop_limit",      "unknown_ethertype", "unknown_protocol",
    "family_disabled",    "protocol_disabled", "loopback_address",   "not_unicast",       "unspecified_address",
    "zero_port",          "extension_header",  "not_for_us",         "fragment_held",     "fragment_overlap",
    "fragment_too_large", "fragment_bad",      "fragment_no_memory", "fragment_timeout",  "no_flow",
    "flow_table_full",    "socket_failed",     "send_failed",        "message_too_big",   "outside_window",
    "overflow_exhausted", "mailbox_full",      "tap_truncated",      "tap_write_failed",  "tap_gso",
    "rate_limited",       "no_translation",    "unanswered_share",   "datagram_share",    "flow_limit",
    "new_flow_rate",      "other_station",     "no_resolver",        "late_answer",       "egress_denied",
    "egress_limit",       "audit_full",        "address_news",       "group_membership",  "router_solicitation",
    "link_protocol",
};
static_assert(!drop_reason_names.back().empty());

[[nodiscard]] constexpr std::size_t index(drop_reason why) noexcept { return static_cast<std::size_t>(why); }

/// What an ordinary guest says anyway and nobody has to answer: no loss, and no sign of a fault.
[[nodiscard]] constexpr bool is_ordinary(drop_reason why) noexcept
{
    return why == drop_reason::fragment_held || why >= drop_reason::address_news;
}

/// A parsed value, host order and sane, or why there is none.
template <class T>
class [[nodiscard]] parsed {
public:
    constexpr parsed(T value) noexcept : value_(std::move(value)), ok_(true) {}
    constexpr parsed(drop_reason why) noexcept : why_(why) {}

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return ok_; }
    [[nodiscard]] constexpr drop_reason why() const noexcept { return why_; }
    [[nodiscard]] constexpr const T& operator*() const noexcept { return value_; }
    [[nodiscard]] constexpr T& operator*() noexcept { return value_; }
    [[nodiscard]] constexpr const T* operator->() const noexcept { return &value_; }
    [[nodiscard]] constexpr T* operator->() noexcept { return &value_; }

private:
    T value_{};
    drop_reason why_ = drop_reason::truncated;
    bool ok_ = false;
};

} // namespace tapioca

/// The value of a `parsed`, or the enclosing function returns its drop_reason. Do not nest it.
#define TAPIOCA_TRY(expression)                                                                                                  \
    __extension__({                                                                                                              \
        auto tapioca_try_ = (expression);                                                                                        \
        if (!tapioca_try_)                                                                                                       \
            return tapioca_try_.why();                                                                                           \
        *tapioca_try_;                                                                                                           \
    })
