#include "daemon/report/event_table.hpp"

#include <algorithm>
#include <string_view>

namespace tapioca::report {
namespace {

constexpr std::size_t rows_below_a_head = 20;
constexpr std::size_t least_width = 10; ///< of a column without the blank before it

void append(std::string& line, std::size_t column, std::string_view text)
{
    const auto width = std::max(source_names[column].size(), least_width) + 1;
    line.append(width - std::min(width, text.size()), ' ').append(text);
}

} // namespace

std::string event_table::next(const event_counts& totals)
{
    if (totals == last_)
        return {};
    std::string text;
    if (rows_ % rows_below_a_head == 0) {
        for (std::size_t i = 0; i < source_count; ++i)
            append(text, i, source_names[i]);
        text += '\n';
    }
    for (std::size_t i = 0; i < source_count; ++i)
        append(text, i, std::to_string(totals[i]));
    text += '\n';
    ++rows_;
    last_ = totals;
    return text;
}

} // namespace tapioca::report
