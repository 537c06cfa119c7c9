// What flows to our name service share, over TCP and UDP: which resolver of the host they go to.
#pragma once

#include "daemon/translate/context.hpp"

namespace tapioca {

/// The choice among the host's present resolvers of a family.
[[nodiscard]] resolver_choice& resolvers_of(context& ctx, ip_family family) noexcept;

/// Whether a flow of the guest asks our name service.
[[nodiscard]] bool asks_names(const context& ctx, const flow_key& key) noexcept;

/// Where a new flow of the guest leads (decide_outbound); if it asks our name service, to the resolver that is asked first now.
[[nodiscard]] parsed<endpoint> destination_of(context& ctx, const flow_key& key, instant now) noexcept;

} // namespace tapioca
