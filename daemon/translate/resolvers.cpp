#include "daemon/translate/resolvers.hpp"

namespace tapioca {

resolver_choice& resolvers_of(context& ctx, ip_family family) noexcept
{
    auto& choice = ctx.resolvers[static_cast<std::size_t>(family)];
    choice.follow(ctx.config->address_map.names(family).resolvers);
    return choice;
}

bool asks_names(const context& ctx, const flow_key& key) noexcept
{
    return asked_names(ctx.config->address_map, key.protocol, {key.remote, key.remote_port}) != nullptr;
}

parsed<endpoint> destination_of(context& ctx, const flow_key& key, instant now) noexcept
{
    auto to = decide_outbound(*ctx.config, key);
    if (!to || !asks_names(ctx, key))
        return to;
    const auto& choice = resolvers_of(ctx, key.remote.family());
    if (const auto first = choice.next(0, now))
        to->address = choice.list()[*first];
    return to;
}

} // namespace tapioca
