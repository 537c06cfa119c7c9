// A queue of a tap device, with virtio-net headers and offloads where the kernel gave them (Documentation/networking/tuntap.rst).
//
// A read or write moves one frame, up to 64 KiB whatever the MTU. The frames of a batch are read one behind the other, so that
// many small ones, or a few large ones, lie in the same part of the cache; there is one buffer for writing, as a write is done
// when it returns.
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/os/unique_fd.hpp"
#include "daemon/report/counters.hpp"
#include "daemon/tap/tap_queue.hpp"

#include <array>
#include <sys/types.h>

namespace tapioca {

/// A queue as it was opened: the descriptor and what TUNSETOFFLOAD granted.
struct tun_descriptor {
    os::unique_fd fd;
    bool vnet_header = false; ///< IFF_VNET_HDR with 12-octet headers
    offloads offload;
};

class tun_queue final : public tap_queue {
public:
    tun_queue(tun_descriptor opened, report::counters& counters);

    [[nodiscard]] offloads offload() const noexcept override { return opened_.offload; }
    [[nodiscard]] int descriptor() const noexcept override { return opened_.fd.get(); }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t most) noexcept override
    {
        return receive_from(opened_.fd.get(), most);
    }
    /// Likewise from another queue of the same device.
    [[nodiscard]] std::span<const rx_frame> receive_from(int queue, std::size_t most) noexcept;
    [[nodiscard]] tx_slot acquire() noexcept override;
    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override;
    bool commit_pieces(const wire::virtio_net_header& vnet, std::size_t headers,
                       std::span<const bytes_view> payload) noexcept override;
    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept override;
    void flush() noexcept override {}

private:
    [[nodiscard]] octet* stamp(octet* frame, const wire::virtio_net_header& vnet) const noexcept;
    [[nodiscard]] bool done(ssize_t written, std::size_t octets) noexcept;

    tun_descriptor opened_;
    report::counters& counters_;
    os::arena memory_;
    std::array<rx_frame, most_frames> frames_{};
};

} // namespace tapioca
