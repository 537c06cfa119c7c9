// doc/counters.md explains each counter by the name under which it is printed, and none that there is not.
#include "daemon/control/plane_report.hpp"
#include "daemon/report/counters.hpp"
#include "proto/base/drop_words.hpp"
#include "tests/support/catch.hpp"

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace tapioca;

namespace {

/// The names that begin the rows of the page's tables.
std::vector<std::string> explained()
{
    std::ifstream page{SOURCE_TREE "/doc/counters.md"};
    std::vector<std::string> names;
    for (std::string line; std::getline(page, line);)
        if (line.starts_with("| `"))
            names.push_back(line.substr(3, line.find('`', 3) - 3));
    return names;
}

std::set<std::string> printed()
{
    std::set<std::string> names{report::counter_names.begin(), report::counter_names.end()};
    for (std::size_t i = 0; i < end_reason_count; ++i)
        names.insert(report::counter_name(static_cast<end_reason>(i)));
    for (std::size_t i = 0; i < drop_reason_count; ++i)
        names.insert(report::counter_name(static_cast<drop_reason>(i)));
    return names;
}

} // namespace

TEST_CASE("the page about counters explains each one once, and no other")
{
    const auto rows = explained();
    const std::set<std::string> on_page{rows.begin(), rows.end()};
    CHECK(on_page.size() == rows.size());
    const auto all = printed();
    CHECK(all.size() == report::counter_count + end_reason_count + drop_reason_count);
    for (const auto& name : all) {
        INFO(name << " is not explained");
        CHECK(on_page.count(name) == 1);
    }
    for (const auto& name : on_page) {
        INFO(name << " is not counted");
        CHECK(all.count(name) == 1);
    }
}

TEST_CASE("the page says what each drop means in the words that watchers are told")
{
    std::ifstream page{SOURCE_TREE "/doc/counters.md"};
    std::map<std::string, std::string> meanings;
    for (std::string line; std::getline(page, line);)
        if (line.starts_with("| `")) {
            std::erase(line, '`');
            const auto name_end = line.find(" | "), end = line.find(" | ", name_end + 3);
            meanings[line.substr(2, name_end - 2)] = line.substr(name_end + 3, end - name_end - 3);
        }
    for (std::size_t i = 0; i < drop_reason_count; ++i) {
        const auto why = static_cast<drop_reason>(i);
        CHECK(meanings[report::counter_name(why)] == words_of(why));
    }
}

TEST_CASE("a loss is called a drop, what is ordinary is not")
{
    CHECK(report::counter_name(drop_reason::truncated) == "drop_truncated");
    CHECK(report::counter_name(drop_reason::other_station) == "drop_other_station");
    CHECK(report::counter_name(drop_reason::group_membership) == "ignored_group_membership");
    CHECK(report::counter_name(drop_reason::fragment_held) == "fragment_held");
    CHECK(report::counter_name(end_reason::finished) == "flow_end_finished");
}
