// The outcome of a system call: a value, or the errno it failed with.
#pragma once

#include <boost/system/result.hpp>

#include <cerrno>
#include <system_error>

namespace tapioca::os {

template <class T>
using result = boost::system::result<T, boost::system::error_code>;

/// The calling thread's errno as an error.
[[nodiscard]] inline boost::system::error_code last_error() noexcept { return {errno, boost::system::system_category()}; }

/// No descriptor is left, for the process or for all of them.
[[nodiscard]] inline bool is_exhausted(const boost::system::error_code& error) noexcept
{
    return error.value() == EMFILE || error.value() == ENFILE;
}

/// At start, where failure is the user's to know: throws std::system_error.
inline void require(const result<void>& done, const char* what)
{
    if (!done)
        throw std::system_error(done.error().value(), std::generic_category(), what);
}

} // namespace tapioca::os
