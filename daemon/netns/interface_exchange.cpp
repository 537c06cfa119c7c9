#include "daemon/netns/interface_exchange.hpp"

#include "daemon/netns/interface_requests.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

namespace tapioca {
namespace {

using route_list = std::vector<os::netlink_message>;

bool has(const std::vector<os::address_entry>& list, const prefix& address)
{
    return std::any_of(list.begin(), list.end(), [&](const os::address_entry& e) { return e.address == address; });
}

/// What is asked for, without the header, which counts requests.
bool asks_the_same(const os::netlink_message& a, const os::netlink_message& b)
{
    const auto &first = a.raw(), &second = b.raw();
    return first.nlmsg_len == second.nlmsg_len && std::memcmp(&first + 1, &second + 1, first.nlmsg_len - sizeof first) == 0;
}

bool has(const route_list& list, const os::netlink_message& route)
{
    return std::any_of(list.begin(), list.end(), [&](const os::netlink_message& r) { return asks_the_same(r, route); });
}

/// Without one, IPv6 has a metric of its own.
std::uint32_t metric_of(const os::route_entry& r)
{
    constexpr std::uint32_t usual6 = 1024; // IP6_RT_PRIO_USER of the kernel
    return r.metric == 0 && !r.destination.address.is_v4() ? usual6 : r.metric;
}

/// Of two such routes a table has one.
bool exclude_each_other(const os::route_entry& a, const os::route_entry& b)
{
    return a.destination == b.destination && a.tos == b.tos && metric_of(a) == metric_of(b);
}

bool same_hops(const os::route_entry& a, const os::route_entry& b)
{
    const auto same = [](const os::nexthop& x, const os::nexthop& y) {
        return x.interface_index == y.interface_index && x.gateway == y.gateway;
    };
    return std::ranges::equal(a.nexthops, b.nexthops, same);
}

/// One family of the interface.
class exchange {
public:
    exchange(os::netlink_socket& socket, int index, ip_family family, const interface_family_plan& before,
             const interface_family_plan& next)
        : socket_(socket), index_(index), family_(family), before_(before), next_(next), new_addresses_(next.addresses),
          old_routes_(before.routes), new_routes_(next.routes)
    {
        for (auto* routes : {&old_routes_, &new_routes_})
            for (auto& route : *routes)
                os::set_output(route, index);
    }

    [[nodiscard]] bool is_needed() const
    {
        const auto gone = [this](const os::address_entry& e) { return !has(next_.addresses, e.address); };
        const auto come = [this](const os::address_entry& e) { return !has(before_.addresses, e.address); };
        const auto same = [](const route_list& a, const route_list& b) { return std::ranges::equal(a, b, asks_the_same); };
        return std::ranges::any_of(before_.addresses, gone) || std::ranges::any_of(next_.addresses, come) ||
               !same(old_routes_, new_routes_);
    }

    [[nodiscard]] std::vector<std::string> run()
    {
        leave_out_what_was_taken_away();
        hold_addresses(RTM_NEWADDR);
        add_addresses();
        (void)add_routes(socket_, index_, new_routes_);
        replace_routes();
        remove_addresses();
        remove_routes();
        add_addresses(); // of IPv4, some may have gone with another one
        if (const auto left = add_routes(socket_, index_, new_routes_); left.left != 0)
            failures_.push_back(std::to_string(left.left) + " route(s) left out: " + left.why.message());
        hold_addresses(RTM_DELADDR);
        return std::move(failures_);
    }

private:
    /// By somebody else, since we gave it.
    void leave_out_what_was_taken_away()
    {
        if (const auto there = os::read_addresses(socket_, family_))
            std::erase_if(new_addresses_, [&](const os::address_entry& e) {
                return has(before_.addresses, e.address) && !has(*there, e.address);
            });
        there_ = present();
        std::erase_if(new_routes_, [&](const os::netlink_message& route) { return has(old_routes_, route) && !is_there(route); });
    }

    /// In IPv4 the first address of a network takes the others with it when it goes, and the last one of an interface takes the
    /// routes. So each is there a second time meanwhile, in a network of its own.
    void hold_addresses(std::uint16_t type)
    {
        constexpr std::uint8_t alone = 32;
        for (const auto& entry : new_addresses_) {
            if (!entry.address.address.is_v4() || entry.address.length == alone)
                continue;
            os::address_entry held;
            held.address = {entry.address.address, alone};
            held.prefix_route = false;
            auto request = address_request(index_, held, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0);
            (void)socket_.request(request);
        }
    }

    void add_addresses()
    {
        for (const auto& entry : new_addresses_) {
            auto request = address_request(index_, entry, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
            if (const auto done = socket_.request(request); !done && done.error().value() != EEXIST)
                failures_.push_back("an address left out: " + done.error().message());
        }
    }

    void remove_addresses()
    {
        for (const auto& entry : before_.addresses) {
            if (has(next_.addresses, entry.address))
                continue;
            auto request = address_request(index_, entry, RTM_DELADDR, 0);
            (void)socket_.request(request); // perhaps it is gone already
        }
    }

    [[nodiscard]] std::vector<os::route_entry> present() const
    {
        std::vector<os::route_entry> found;
        (void)os::read_routes(
            socket_, family_, [&](const nlmsghdr&, os::route_entry&& route) { found.push_back(std::move(route)); },
            [&] { found.clear(); });
        return found;
    }
    [[nodiscard]] bool is_there(const os::netlink_message& route) const
    {
        const auto wanted = os::parse_route(route.raw());
        return !wanted || std::ranges::any_of(there_, [&](const os::route_entry& found) {
            return exclude_each_other(found, *wanted) && same_hops(found, *wanted);
        });
    }

    /// In one step, so that there is no moment without a route; but only in the place of a route of ours.
    void replace_routes()
    {
        for (auto& route : new_routes_) {
            const auto wanted = os::parse_route(route.raw());
            if (!wanted || has(old_routes_, route))
                continue;
            const bool takes_ours = std::ranges::any_of(old_routes_, [&](const os::netlink_message& old) {
                const auto ours = os::parse_route(old.raw());
                return ours && exclude_each_other(*ours, *wanted) && is_there(old);
            });
            if (!takes_ours)
                continue;
            auto request = route;
            request.raw().nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
            (void)socket_.request(request);
        }
    }

    void remove_routes()
    {
        for (const auto& old : old_routes_) {
            if (has(new_routes_, old))
                continue;
            auto request = old;
            request.raw().nlmsg_type = RTM_DELROUTE;
            request.raw().nlmsg_flags = 0;
            if (const auto ours = os::parse_route(old.raw()); ours && !is_replaced(*ours))
                (void)socket_.request(request); // perhaps it went with its address
        }
    }
    [[nodiscard]] bool is_replaced(const os::route_entry& old) const
    {
        return std::ranges::any_of(new_routes_, [&](const os::netlink_message& route) {
            const auto wanted = os::parse_route(route.raw());
            return wanted && exclude_each_other(*wanted, old);
        });
    }

    os::netlink_socket& socket_;
    const int index_;
    const ip_family family_;
    const interface_family_plan &before_, &next_;
    std::vector<os::address_entry> new_addresses_;
    route_list old_routes_, new_routes_;
    std::vector<os::route_entry> there_; ///< at the beginning
    std::vector<std::string> failures_;
};

} // namespace

std::vector<std::string> exchange_network(os::netlink_socket& socket, int index, const interface_plan& before,
                                          const interface_plan& next)
{
    std::vector<std::string> failures;
    const auto run = [&](ip_family family, const interface_family_plan& old, const interface_family_plan& wanted) {
        exchange one{socket, index, family, old, wanted};
        if (!wanted.enabled || !one.is_needed())
            return;
        for (const auto& failure : one.run())
            failures.push_back(std::string{"The namespace's "} + (family == ip_family::ipv4 ? "IPv4" : "IPv6") +
                               " network: " + failure);
    };
    run(ip_family::ipv4, before.v4, next.v4);
    run(ip_family::ipv6, before.v6, next.v6);
    return failures;
}

} // namespace tapioca
