// What flows to our name service share, over TCP and UDP: which resolver of the host they go to.
#pragma once

#include "daemon/translate/context.hpp"

namespace tapioca {

/// The choice among the host's present resolvers of a family.
[[nodiscard]] resolver_choice& resolvers_of(context& ctx, ip_family family) noexcept;

/// Whether a flow of the guest asks the host's resolvers by our name service. Not while the egress policy has names: then it is
/// the name forwarder of the control plane that is asked.
[[nodiscard]] bool asks_names(const context& ctx, const flow_key& key) noexcept;

/// Where a new flow of the guest leads (decide_outbound); if it asks our name service, to the resolver that is asked first now.
/// If the egress policy does not let it pass, that is reported, and the reason is drop_reason::egress_denied or egress_limit.
[[nodiscard]] parsed<outbound_opening> destination_of(context& ctx, const flow_key& key, instant now) noexcept;

} // namespace tapioca
