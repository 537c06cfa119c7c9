// What the egress policy has denied: told to the guest and to whoever watches.
#pragma once

#include "daemon/translate/to_guest.hpp"

namespace tapioca {

/// A new flow of the guest's is denied. `key`: as the guest knows it.
void report_denial(context& ctx, const flow_key& key, const egress_verdict& verdict, instant now) noexcept;

/// The guest hears that its packet `about` is prohibited, in the one form that a router has for it, whatever was asked.
void tell_of_denial(context& ctx, const flow_key& key, guest_error about) noexcept;

} // namespace tapioca
