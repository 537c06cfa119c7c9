// The interface in a namespace that we have configured is given what the host has, whenever that changes (--follow guest with
// --config-net).
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/netns/interface_plan.hpp"
#include "daemon/netns/resident.hpp"

namespace tapioca {

/// The interface, and what it was given.
struct interface_in_use {
    int index = 0;
    interface_plan given;
};

class namespace_follower {
public:
    /// `in_namespace` administers, and outlives this.
    namespace_follower(const options& opts, netns::resident& in_namespace, interface_in_use interface)
        : opts_(opts), resident_(in_namespace), interface_(std::move(interface))
    {
    }

    /// What the interface is to have. A family that the host has lost keeps what it has. `tables` is of the host. Throws what
    /// plan_interface() throws.
    [[nodiscard]] interface_plan plan(const host_network& now, const host_look& seen, const guest_network& guest,
                                      os::netlink_socket& tables) const;
    /// The addresses that go when it gets that.
    [[nodiscard]] std::vector<ip_address> loses(const interface_plan& next) const;
    void give(interface_plan next);

private:
    const options& opts_;
    netns::resident& resident_;
    interface_in_use interface_;
};

} // namespace tapioca
