// The outcome of a system call: a value, or the errno it failed with.
#pragma once

#include <boost/system/result.hpp>

#include <cerrno>

namespace tapioca::os {

template <class T>
using result = boost::system::result<T, boost::system::error_code>;

/// The calling thread's errno as an error.
[[nodiscard]] inline boost::system::error_code last_error() noexcept { return {errno, boost::system::system_category()}; }

} // namespace tapioca::os
