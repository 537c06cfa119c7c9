// The tap device in the present network namespace: Ethernet frames behind a virtio-net header, with as many offloads as the
// kernel has. Read Documentation/networking/tuntap.rst and linux/if_tun.h first.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <string>
#include <vector>

namespace tapioca::tap {

/// What the kernel agreed to.
struct tap_offloads {
    bool virtio_header = false; ///< 12 octets before each frame; without it there is no offload at all
    bool checksum = false, tso4 = false, tso6 = false, tso_ecn = false, uso = false;
};

struct opened_tap {
    std::string name;
    std::vector<os::unique_fd> queues; ///< non-blocking, at least one, at most as many as were asked for
    tap_offloads offloads;
};

/// Creates the device with up to `queues` queues; the caller is inside the namespace. Throws std::system_error.
[[nodiscard]] opened_tap open_tap(const std::string& name, unsigned queues);

} // namespace tapioca::tap
