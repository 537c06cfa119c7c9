// The table of --stats: how often each kind of descriptor woke the workers.
#pragma once

#include "daemon/report/event_source.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace tapioca::report {

using event_counts = std::array<std::uint64_t, source_count>;

class event_table {
public:
    /// A row with the totals, below a head each 20 rows; nothing at all if they are the same as in the last row.
    [[nodiscard]] std::string next(const event_counts& totals);

private:
    event_counts last_{};
    std::size_t rows_ = 0;
};

} // namespace tapioca::report
