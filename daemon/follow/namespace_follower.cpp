#include "daemon/follow/namespace_follower.hpp"

#include "daemon/netns/interface_exchange.hpp"
#include "daemon/report/log.hpp"

#include <exception>

namespace tapioca {

void namespace_follower::follow(const host_network& now, const host_look& seen, const guest_network& guest,
                                os::netlink_socket& tables)
{
    auto next = plan_interface(opts_, now, guest, tables);
    if (seen.v4.local_mode)
        next.v4 = interface_.given.v4;
    if (seen.v6.local_mode)
        next.v6 = interface_.given.v6;
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
