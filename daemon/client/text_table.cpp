#include "daemon/client/text_table.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace tapioca::client {
namespace {

constexpr std::size_t gap = 2, narrowest = 9;

std::string cut(const std::string& cell, std::size_t width)
{
    if (cell.size() <= width)
        return cell;
    const auto tail = (width - 1) / 2;
    return cell.substr(0, width - 1 - tail) + '~' + cell.substr(cell.size() - tail);
}

} // namespace

void text_table::add(std::vector<std::string> cells)
{
    for (auto& cell : cells) // a terminal obeys some of what others may have written
        std::ranges::replace_if(
            cell, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, '?');
    cells.resize(rows_.front().size());
    rows_.push_back(std::move(cells));
}

std::string text_table::text(std::size_t width) const
{
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    const auto least = [&] {
        return std::accumulate(widths.begin(), widths.end(), gap * (widths.size() - 1),
                               [](std::size_t sum, std::size_t each) { return sum + std::min(each, narrowest); });
    };
    while (width != 0 && widths.size() > 1 && least() > width)
        widths.pop_back();
    const auto total = [&] { return std::accumulate(widths.begin(), widths.end(), gap * (widths.size() - 1)); };
    while (width != 0 && total() > width && std::ranges::max(widths) > narrowest)
        --*std::ranges::max_element(widths);
    std::string lines;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < widths.size(); ++i)
            line += cut(row[i], widths[i]) + std::string(widths[i] - std::min(row[i].size(), widths[i]) + gap, ' ');
        line.erase(line.find_last_not_of(' ') + 1);
        lines += line + '\n';
    }
    return lines;
}

std::size_t terminal_width() noexcept
{
    winsize size{};
    return ::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool wants_colour() noexcept
{
    const char* refused = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0') &&
           (terminal == nullptr || std::string_view{terminal} != "dumb");
}

} // namespace tapioca::client
