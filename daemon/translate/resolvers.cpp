#include "daemon/translate/resolvers.hpp"

#include "daemon/translate/egress.hpp"

namespace tapioca {

resolver_choice& resolvers_of(context& ctx, ip_family family) noexcept
{
    auto& choice = ctx.resolvers[static_cast<std::size_t>(family)];
    choice.follow(ctx.config->address_map.names(family).resolvers);
    return choice;
}

bool asks_names(const context& ctx, const flow_key& key) noexcept
{
    const auto* egress = ctx.config->egress.get();
    return (egress == nullptr || !egress->has_names()) &&
           asked_names(ctx.config->address_map, key.protocol, {key.remote, key.remote_port}) != nullptr;
}

parsed<outbound_opening> destination_of(context& ctx, const flow_key& key, instant now) noexcept
{
    auto opening = decide_outbound(*ctx.config, key, now);
    if (opening && !opening->verdict.passes) {
        report_denial(ctx, kind_over_tap(key.protocol), key, *opening, now);
        return drop_reason::egress_denied;
    }
    if (opening && ctx.exceeds_egress_limits(flow_origin::guest, 0, now)) {
        report_limit(ctx, key, *opening, now);
        return drop_reason::egress_limit;
    }
    if (opening && !ctx.may_record())
        return drop_reason::audit_full;
    if (!opening || !asks_names(ctx, key))
        return opening;
    const auto& choice = resolvers_of(ctx, key.remote.family());
    if (const auto first = choice.next(0, now))
        opening->to.address = choice.list()[*first];
    return opening;
}

} // namespace tapioca
