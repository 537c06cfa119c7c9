// Octets of an AF_UNIX stream with the descriptors that travel beside them (SCM_RIGHTS, unix(7)).
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"

#include <array>

namespace tapioca::os {

/// Descriptors that came with a message. More than there is room for are closed by the kernel, and remembered as `too_many`.
struct passed_fds {
    static constexpr std::size_t most = 16;

    std::array<unique_fd, most> fds;
    std::size_t count = 0;
    bool too_many = false;

    void clear() noexcept
    {
        for (auto& fd : fds)
            fd.reset();
        count = 0;
        too_many = false;
    }
};

/// Reads without waiting; what comes beside the octets is added to `passed`. 0: the end of the stream.
[[nodiscard]] result<std::size_t> receive(int socket, bytes_span into, passed_fds& passed) noexcept;

/// Whether a descriptor is a socket of AF_UNIX: one that can be sent to without waiting, whatever its flags.
[[nodiscard]] bool is_unix_socket(int fd) noexcept;

/// Whether a descriptor is one that signals can be written to without waiting: an eventfd, which is made non-blocking.
[[nodiscard]] bool make_signal_fd(int fd) noexcept;

} // namespace tapioca::os
