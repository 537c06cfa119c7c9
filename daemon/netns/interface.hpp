// Sets up the interfaces of the target namespace by netlink. Everything here acts on the namespace of the calling thread.
// Read first: rtnetlink(7), RFC 4862 section 5.4 (duplicate address detection, which we keep from delaying the start).
#pragma once

#include "daemon/netns/interface_plan.hpp"

#include <string>
#include <vector>

namespace tapioca {

/// Without it nothing in the namespace reaches itself; throws std::system_error.
void bring_up_loopback();

/// The interface as the kernel has it afterwards.
struct configured_interface {
    int index = 0;
    mac_address mac;
    ip_address link_local;         ///< IPv6; unspecified: none, or not up yet
    bool ipv4 = true, ipv6 = true; ///< false: the namespace's kernel has no use for the family
    std::vector<std::string> notes, warnings;
};

/// Configures the existing interface `name`, attached to its tap; throws std::system_error with the step that failed.
[[nodiscard]] configured_interface configure_tap(const interface_plan& plan, const std::string& name);

/// The interface `name` as it is, configured by who served it before us; throws std::system_error.
[[nodiscard]] configured_interface find_configured(const std::string& name);

} // namespace tapioca
