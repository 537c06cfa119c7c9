// SipHash-2-4 (Aumasson and Bernstein, 2012): the keyed hash of flow tables and initial sequence numbers (RFC 6528).
#pragma once

#include "proto/base/bytes.hpp"

#include <cstdint>

namespace tapioca {

struct siphash_key {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;
};

[[nodiscard]] std::uint64_t siphash(siphash_key key, bytes_view message) noexcept;

} // namespace tapioca
