// Descriptors that came beside a message on a UNIX socket (SCM_RIGHTS, unix(7)).
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <cstring>
#include <sys/socket.h>
#include <utility>

namespace tapioca::os {

/// Calls take(unique_fd) with each, in their order.
template <class Take>
void each_passed_fd(msghdr& message, Take take)
{
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            int fd = -1;
            std::memcpy(&fd, reinterpret_cast<const char*>(c) + at, sizeof fd);
            take(unique_fd{fd});
        }
    }
}

} // namespace tapioca::os
