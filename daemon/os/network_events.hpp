// Tells that links, addresses or routes of a network namespace have changed, but not what: whoever wants to know reads
// the tables (daemon/os/rtnetlink.hpp). Read first: rtnetlink(7).
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <cstdint>

namespace tapioca::os {

class network_events {
public:
    enum class routes : std::uint8_t {
        defaults_only, ///< others are kept away by a filter in the kernel, so that a router's table costs nothing here
        all
    };
    /// Of the calling thread's network namespace. Only before sealing.
    [[nodiscard]] static result<network_events> open(routes which = routes::defaults_only);

    /// Readable when something has changed.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }
    /// Forgets what was told so far, also that some was lost. Never waits.
    void clear() noexcept;

private:
    explicit network_events(unique_fd socket) noexcept : socket_(std::move(socket)) {}

    unique_fd socket_;
};

} // namespace tapioca::os
