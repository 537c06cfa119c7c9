// What the data plane needs to know: an immutable snapshot, made once from options, host and namespace.
#pragma once

#include "daemon/config/options.hpp"
#include "proto/base/siphash.hpp"
#include "proto/base/time.hpp"
#include "proto/forward/opening.hpp"
#include "proto/responder/guest_network.hpp"
#include "proto/tcp/retransmit.hpp"

namespace tapioca {

struct plane_config : forwarding {
    guest_network net;
    mac_address guest_mac = mac_address::broadcast();    ///< until the guest is heard, if the tap's own is not known
    ip_address guest_link_local;                         ///< unspecified: until the guest is heard
    bool address_fixed4 = false, address_fixed6 = false; ///< given by the user: not learned from traffic

    bool tcp = true, udp = true, icmp = true;
    bool freebind = false;
    bool rules_may_change = false; ///< while the program runs

    bool peek_offset4 = true, peek_offset6 = true; ///< the kernel remembers how far a TCP socket was peeked (SO_PEEK_OFF)
    /// Whether what is in flight to the guest is kept in a store of ours, for one family at least.
    [[nodiscard]] bool keeps_peer_octets() const noexcept { return !peek_offset4 || !peek_offset6; }
    tcp::retry_policy retries;                               ///< of segments to the guest
    duration udp_timeout = std::chrono::seconds{30};         ///< one-way, or a single exchange
    duration udp_stream_timeout = std::chrono::seconds{120}; ///< both sides have spoken, one of them more than once
    flow_limits limits;
    std::uint32_t unanswered_flows = UINT32_MAX; ///< of peers through one rule in one worker, at most
    std::uint32_t connecting_flows = UINT32_MAX; ///< of the guest in one worker, while the host has not answered
    std::size_t datagram_sockets = SIZE_MAX;     ///< of UDP and echo in one worker, at most
    bool report_flows = false;                   ///< the log is to tell of each flow
    bool trace = false;
    audit_mode audit = audit_mode::none;

    siphash_key secret;
};

} // namespace tapioca
