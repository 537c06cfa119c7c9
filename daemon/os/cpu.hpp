// What the CPU can do, for choosing between implementations of the same function.
#pragma once

#include "proto/base/checksum.hpp"

namespace tapioca::os {

[[nodiscard]] inline vectors cpu_vectors() noexcept
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2") != 0 ? vectors::avx2 : vectors::none;
#else
    return vectors::none;
#endif
}

} // namespace tapioca::os
