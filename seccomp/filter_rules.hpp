// What filters are made of, by libseccomp.
#pragma once

#include "seccomp/filter.hpp"

#include <memory>
#include <seccomp.h>

namespace tapioca::seccomp {

#ifdef TAPIOCA_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

using rules = std::unique_ptr<void, decltype(&seccomp_release)>;

/// Throws std::system_error for a negative error number.
void check(int outcome, const char* what);

/// `refused` is what happens to calls that are not allowed; calls of another architecture end the process. Throws
/// std::system_error.
[[nodiscard]] rules begin_rules(std::uint32_t refused);

void allow(scmp_filter_ctx filter, const allowed_call& call);

} // namespace tapioca::seccomp
