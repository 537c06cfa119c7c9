// The other workers, as ingress and translators see them: who owns a flow, and how to hand over what is not one's own.
#pragma once

#include "daemon/os/socket.hpp"
#include "proto/frame/classify.hpp"
#include "proto/wire/virtio_net.hpp"

#include <optional>

namespace tapioca {

class colleagues {
public:
    virtual ~colleagues() = default;

    /// Makes a new flow ours. False if the table of owners refuses it.
    [[nodiscard]] virtual bool claim(std::uint64_t flow_hash) noexcept = 0;
    virtual void disclaim(std::uint64_t flow_hash) noexcept = 0;
    /// The other worker that owns the flow; nothing if nobody does, or we do.
    [[nodiscard]] virtual std::optional<unsigned> owner(std::uint64_t flow_hash) const noexcept = 0;

    /// Gives a frame, or a datagram put together from fragments, to its owner. False: no room, the packet is lost.
    virtual bool hand_over(unsigned to, const wire::virtio_net_header& vnet, bytes_view frame) noexcept = 0;
    virtual bool hand_over(unsigned to, const packet& reassembled) noexcept = 0;
};

} // namespace tapioca
