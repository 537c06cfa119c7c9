#include "daemon/follow/namespace_follower.hpp"

#include "daemon/netns/interface_exchange.hpp"
#include "daemon/report/log.hpp"

#include <algorithm>
#include <exception>

namespace tapioca {

interface_plan namespace_follower::plan(const host_network& now, const host_look& seen, const guest_network& guest,
                                        os::netlink_socket& tables) const
{
    auto next = plan_interface(opts_, now, guest, tables);
    if (seen.v4.local_mode)
        next.v4 = interface_.given.v4;
    if (seen.v6.local_mode)
        next.v6 = interface_.given.v6;
    return next;
}

std::vector<ip_address> namespace_follower::loses(const interface_plan& next) const
{
    std::vector<ip_address> lost;
    for (const auto family : {&interface_plan::v4, &interface_plan::v6})
        for (const auto& had : (interface_.given.*family).addresses) {
            const auto same = [&had](const os::address_entry& e) { return e.address.address == had.address.address; };
            if (std::ranges::none_of((next.*family).addresses, same))
                lost.push_back(had.address.address);
        }
    return lost;
}

void namespace_follower::give(interface_plan next)
{
    std::vector<std::string> failures;
    resident_.administer([&](os::netlink_socket& inside) {
        try {
            failures = exchange_network(inside, interface_.index, interface_.given, next);
        } catch (const std::exception& failure) {
            failures = {failure.what()};
        }
    });
    log::warning(failures);
    interface_.given = std::move(next);
}

} // namespace tapioca
