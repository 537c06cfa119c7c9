// The tap device in the present network namespace: Ethernet frames behind a virtio-net header, with as many offloads as the
// kernel has. Read Documentation/networking/tuntap.rst and linux/if_tun.h first.
#pragma once

#include "daemon/tap/tun_queue.hpp"

#include <string>
#include <vector>

namespace tapioca {

/// The name of the interface that a descriptor is a queue of; empty: it is no tap.
[[nodiscard]] std::string interface_of(int tap);

/// Creates the device with `queues` queues, or attaches to one that is there: with a single queue, if it was made so. The caller
/// is inside the namespace. Throws std::system_error.
[[nodiscard]] std::vector<tun_descriptor> open_tap(const std::string& name, unsigned queues);

/// Leaves the removal of the device to its namespace, which is about to go: it does that when nobody waits for it, while the one
/// who closes the last queue waits for grace periods of RCU.
void leave_to_namespace(int queue) noexcept;

/// As if a cable was pulled and put back in: clients of DHCP ask again. Kernels before 5.0 do not know how.
void set_carrier(int queue, bool there) noexcept;

} // namespace tapioca
