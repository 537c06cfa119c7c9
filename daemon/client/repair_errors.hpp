// How passt-repair ends. Small messages, without the heap: it is sealed when most of them are said.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace tapioca::client {

enum class repair_status : int {
    finished = 0, ///< the server has ended the connection
    failed = 1,
    misused = 2, ///< no path, or none that can be connected to
};

/// Says what has failed at which path, and why.
inline repair_status report(repair_status status, const char* what, const char* path, int error) noexcept
{
    std::fprintf(stderr, "passt-repair: %s %s: %s\n", what, path, std::strerror(error));
    return status;
}

} // namespace tapioca::client
