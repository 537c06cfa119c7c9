#include "daemon/config/guest_plan.hpp"
#include "daemon/start_up/stages.hpp"

namespace tapioca {

std::optional<name_forwarder::beginning> open_names(const options& opts, plane_parts& parts)
{
    const auto before = parts.config.egress;
    if (!before || !before->has_names())
        return std::nullopt;
    auto begun = name_forwarder::open();
    auto policy = std::make_shared<egress_policy>(*before);
    name_forwarder::serve(begun, *policy);
    parts.config.egress = std::move(policy);
    for (const auto family : {ip_family::ipv4, ip_family::ipv6}) { // which others need only for --dns-forward
        auto& names = family == ip_family::ipv4 ? parts.config.address_map.names4 : parts.config.address_map.names6;
        names.resolvers = resolvers_of(opts, parts.start.host, family);
    }
    return begun;
}

std::unique_ptr<name_forwarder> begin_names(std::optional<name_forwarder::beginning> begun, worker_pool& workers,
                                            audit_log* audit, control& ctl)
{
    if (!begun)
        return nullptr;
    auto forwarder = std::make_unique<name_forwarder>(std::move(*begun), workers);
    ctl.serve(*forwarder);
    if (audit != nullptr)
        audit->find_names_by([names = forwarder.get()](std::uint32_t number) { return names->name_of(number); });
    return forwarder;
}

} // namespace tapioca
