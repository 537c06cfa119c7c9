// Secrets for hashes and sequence numbers.
#pragma once

#include "proto/base/siphash.hpp"

namespace tapioca::os {

/// A key from getrandom(2); throws std::system_error if the kernel has none.
[[nodiscard]] siphash_key random_key();

} // namespace tapioca::os
