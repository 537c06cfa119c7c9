// The system calls that are left after start-up, as a filter for every thread; read seccomp(2) first. The profiles hold a line a
// system call: its name, who makes it, why. Whatever is not listed ends the process.
#pragma once

#include <cstdint>
#include <span>

namespace tapioca::seccomp {

/// A condition on one argument: with `mask` applied, it must be `value`.
struct argument_test {
    unsigned index;
    std::uint64_t mask, value;
};

struct allowed_call {
    const char* name;
    const char* who;
    const char* why;
    std::span<const argument_test> tests = {};
};

enum class profile : std::uint8_t { passt, pasta };

/// The tables, in the order in which they are applied.
[[nodiscard]] std::span<const allowed_call> translator_calls() noexcept; ///< the data plane and the control plane of both modes
[[nodiscard]] std::span<const allowed_call> runtime_calls() noexcept;    ///< what the C and C++ libraries do by themselves
[[nodiscard]] std::span<const allowed_call> pasta_calls() noexcept;      ///< pasta's watch over namespace and command
[[nodiscard]] std::span<const allowed_call> sanitizer_calls() noexcept;  ///< only in builds with sanitizers

/// Sets no-new-privs and the filter in all threads of the process at once. Throws std::system_error.
void install(profile which);

} // namespace tapioca::seccomp
