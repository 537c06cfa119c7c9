// The capabilities of the calling thread, as bit sets; read capabilities(7) first. They belong to a thread: what is dropped
// before another thread starts is missing there too, what is dropped afterwards is not.
#pragma once

#include <cstdint>

namespace tapioca::capabilities {

using set = std::uint64_t;

[[nodiscard]] constexpr set bit(unsigned capability) noexcept { return set{1} << capability; }

/// Effective and permitted sets become what is permitted now and listed in `wanted`; the inheritable and ambient sets become
/// empty.
void limit_to(set wanted);

/// Makes everything permitted effective: a change of the user id leaves the permitted set (PR_SET_KEEPCAPS) with nothing
/// effective.
void raise_permitted();

/// Empties the bounding set, so that no exec can ever gain anything. Needs CAP_SETPCAP; returns false without it.
[[nodiscard]] bool drop_bounding();

/// From now on nobody traces the process or gets a core of it, and nothing that it executes gains anything. Throws
/// std::system_error.
void forbid_gains();

} // namespace tapioca::capabilities
