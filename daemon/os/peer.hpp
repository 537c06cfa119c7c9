// Sockets that another process of ours has, and what tells that they are what it says.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tapioca::os {

/// Connects to a stream socket at a path, that a process of our own user listens at: EACCES if another one's does. Reading from
/// it waits for some seconds at most (EAGAIN).
[[nodiscard]] result<unique_fd> connect_to_own(const std::string& path) noexcept;

/// Whether a descriptor is a stream socket that listens at that path.
[[nodiscard]] bool listens_at(int fd, std::string_view path) noexcept;

/// Whether a descriptor is a socket of that protocol (IPPROTO_TCP or IPPROTO_UDP) which is bound to that port; if it is TCP's, it
/// listens.
[[nodiscard]] bool is_bound_to(int fd, int protocol, std::uint16_t port) noexcept;

/// IPPROTO_UDP of a socket of it; -1 if the descriptor is no socket.
[[nodiscard]] int protocol_of(int fd) noexcept;

/// Where a socket is bound; unspecified and empty: anywhere.
struct binding {
    ip_address address;
    fixed_string<15> interface {
    };
};
[[nodiscard]] result<binding> binding_of(int fd) noexcept;

} // namespace tapioca::os
