// Sockets of the guest's namespace for a worker. Only the resident thread can make them; it keeps some ready.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <cstdint>

namespace tapioca {

class namespace_sockets {
public:
    enum class kind : std::uint8_t { tcp4, tcp6, udp4, udp6 };
    static constexpr unsigned kinds = 4;

    virtual ~namespace_sockets() = default;

    /// A fresh non-blocking socket. None if none is ready: more are made then, and the worker is woken when they are there.
    [[nodiscard]] virtual os::unique_fd take(kind k) noexcept = 0;

    /// Whether so few are ready that the next batch of strangers could take them all, and more are being made. False if none can
    /// be made, as in a process without descriptors: there is nothing to wait for then.
    [[nodiscard]] virtual bool is_scarce(kind) noexcept { return false; }
};

} // namespace tapioca
