#include "daemon/netns/interface_requests.hpp"

#include <cerrno>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace tapioca {

os::netlink_message address_request(int index, const os::address_entry& entry, std::uint16_t type, std::uint16_t flags)
{
    const bool v4 = entry.address.address.is_v4();
    os::netlink_message request{type, flags};
    auto& header = request.header<ifaddrmsg>();
    header.ifa_family = v4 ? AF_INET : AF_INET6;
    header.ifa_prefixlen = entry.address.length;
    header.ifa_scope = entry.scope == os::reach::link   ? RT_SCOPE_LINK
                       : entry.scope == os::reach::site ? RT_SCOPE_SITE
                                                        : RT_SCOPE_UNIVERSE;
    header.ifa_index = static_cast<unsigned>(index);
    request.attribute(IFA_LOCAL, entry.address.address);
    request.attribute(IFA_ADDRESS, entry.peer ? entry.peer->address : entry.address.address);
    if (entry.broadcast)
        request.attribute(IFA_BROADCAST, *entry.broadcast);
    std::uint32_t address_flags = entry.prefix_route ? 0 : IFA_F_NOPREFIXROUTE;
    if (!v4)
        address_flags |= IFA_F_NODAD; // the guest's peer is us: nobody else can have the address
    request.attribute(IFA_FLAGS, address_flags);
    if (entry.metric != 0)
        request.attribute(IFA_RT_PRIORITY, entry.metric);
    return request;
}

route_outcome add_routes(os::netlink_socket& socket, int index, std::vector<os::netlink_message> routes)
{
    for (auto& route : routes)
        os::set_output(route, index);
    for (;;) {
        route_outcome outcome;
        std::vector<os::netlink_message> failed;
        for (auto& route : routes) {
            const auto done = socket.request(route);
            if (done || done.error().value() == EEXIST)
                continue;
            outcome = {failed.size() + 1, done.error()};
            failed.push_back(std::move(route));
        }
        if (failed.empty() || failed.size() == routes.size())
            return outcome;
        routes = std::move(failed);
    }
}

} // namespace tapioca
