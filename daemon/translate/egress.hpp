// What the egress policy has denied: told to the guest, to whoever watches, and to the audit log.
#pragma once

#include "daemon/translate/flow_view.hpp"
#include "daemon/translate/to_guest.hpp"

namespace tapioca {

/// Of a flow over the tap.
[[nodiscard]] constexpr flow_kind kind_over_tap(octet protocol) noexcept
{
    return protocol == wire::protocol_tcp ? flow_kind::tcp : protocol == wire::protocol_udp ? flow_kind::udp : flow_kind::echo;
}

/// A new flow of the guest's is denied. `key`: as the guest knows it.
void report_denial(context& ctx, flow_kind kind, const flow_key& key, const outbound_opening& opening, instant now) noexcept;

/// Likewise, though it may go there: the policy lets no more through at present.
void report_limit(context& ctx, const flow_key& key, outbound_opening opening, instant now) noexcept;

/// Records what was decided where there is no flow, or beside it. False: it must be recorded, and could not be.
[[nodiscard]] bool audit_without_flow(context& ctx, report::audit_event what, flow_kind kind, const flow_key& key,
                                      const outbound_opening& opening, instant now,
                                      drop_reason refused = drop_reason::egress_denied) noexcept;

/// Whether the guest is to hear that what it has asked for is prohibited.
[[nodiscard]] constexpr bool is_denial(drop_reason why) noexcept
{
    return why == drop_reason::egress_denied || why == drop_reason::egress_limit || why == drop_reason::audit_full;
}

/// What a flow does that was allowed is denied. `why`: a constant.
void report_denial(context& ctx, const flow_key& key, const char* why, instant now) noexcept;

/// As the policy in force says of a flow that stands, whenever its name was pinned.
[[nodiscard]] egress_verdict verdict_on(const context& ctx, const flow_view& f) noexcept;

/// The guest hears that its packet `about` is prohibited, in the one form that a router has for it, whatever was asked.
void tell_of_denial(context& ctx, const flow_key& key, guest_error about) noexcept;

} // namespace tapioca
