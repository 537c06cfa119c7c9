#include "daemon/report/event_table.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <set>

using namespace tapioca;

namespace {

std::size_t lines_of(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }

} // namespace

TEST_CASE("a row comes only if something has happened since the last one, and a head above each twenty")
{
    report::event_table table;
    report::event_counts counts{};
    CHECK(table.next(counts).empty());
    for (int row = 0; row < 45; ++row) {
        counts[static_cast<std::size_t>(source::udp_port)] += 7;
        CHECK(lines_of(table.next(counts)) == (row % 20 == 0 ? 2 : 1));
        CHECK(table.next(counts).empty());
    }
}

TEST_CASE("columns stand below their names, also with large numbers")
{
    report::event_table table;
    report::event_counts counts{};
    counts.fill(1'234'567'890);
    const auto text = table.next(counts);
    const auto head = text.substr(0, text.find('\n')), row = text.substr(head.size() + 1, head.size());
    CHECK(text.size() == 2 * (head.size() + 1));
    for (const auto name : source_names) {
        const auto end = head.find(name) + name.size();
        CHECK(row[end - 1] == '0');
        CHECK((end == row.size() || row[end] == ' '));
    }
    CHECK(std::set(source_names.begin(), source_names.end()).size() == source_count);
}
