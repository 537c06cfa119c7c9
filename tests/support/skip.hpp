// A fact that this kernel cannot have yet, or that cannot be looked at here, is no failure: the program says why, and ends.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/utsname.h>
#include <utility>

namespace tapioca::test {

[[noreturn]] inline void skip(std::string_view reason)
{
    std::printf("skipped: %.*s\n", static_cast<int>(reason.size()), reason.data());
    std::fflush(stdout);
    std::_Exit(77);
}

inline bool kernel_is_at_least(int major, int minor)
{
    utsname names{};
    int own_major = 0, own_minor = 0;
    return ::uname(&names) == 0 && std::sscanf(names.release, "%d.%d", &own_major, &own_minor) == 2 &&
           std::pair{own_major, own_minor} >= std::pair{major, minor};
}

inline void needs_kernel(int major, int minor, std::string_view what)
{
    if (!kernel_is_at_least(major, minor))
        skip(std::string{what} + " came with Linux " + std::to_string(major) + '.' + std::to_string(minor));
}

/// For what happened in a namespace that could not be made, or had no tap.
inline void skip_if_refused(const std::string& error)
{
    if (error.starts_with("unshare:") || error.starts_with("Failed to open() /dev/net/tun"))
        skip(error);
}

} // namespace tapioca::test
