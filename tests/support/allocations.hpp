// Counts what the program allocates: link allocations.cpp, which replaces operator new.
#pragma once

#include <cstddef>

namespace tapioca::test {

/// Calls of operator new by this thread, except inside uncounted_allocations.
[[nodiscard]] std::size_t allocation_count() noexcept;

/// What a model of the outside world allocates is not the program's.
class uncounted_allocations {
public:
    uncounted_allocations() noexcept;
    ~uncounted_allocations();
    uncounted_allocations(const uncounted_allocations&) = delete;
    uncounted_allocations& operator=(const uncounted_allocations&) = delete;
};

} // namespace tapioca::test
