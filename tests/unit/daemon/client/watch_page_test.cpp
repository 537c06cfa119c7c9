#include "daemon/client/watch_page.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace tapioca::client;

namespace {

constexpr page_style in_ascii{.colour = false, .unicode = false};

watch_model busy()
{
    watch_model m;
    m.title = "pasta 4711  of a command";
    m.flow_count = 3;
    for (int i = 0; i < 300; ++i) {
        m.received.push_back(i * 1000.0);
        m.sent.push_back(5);
        m.opened.push_back(i % 10);
        m.dropped.push_back(0);
    }
    for (int i = 0; i < 50; ++i)
        m.flows.push_back(
            {"tcp", "ESTABLISHED", "[2001:db8:1111:2222:3333:4444:5555:6666]:40000", "198.51.100.7:443", 1e6 - i, 10, 12345, 3});
    for (int i = 0; i < 9; ++i)
        m.drops.push_back({"a segment, datagram or error of no flow that is known", 100, 7});
    for (int i = 0; i < 100; ++i)
        m.events.push_back("15:04:05 event " + std::to_string(i));
    return m;
}

bool contains(const std::vector<std::string>& lines, std::string_view text)
{
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

} // namespace

TEST_CASE("a page has exactly the lines of its terminal, none of them too long")
{
    for (const auto& m : {watch_model{}, busy()})
        for (const std::size_t width : {20, 80, 200})
            for (const std::size_t height : {4, 10, 24, 60}) {
                const auto lines = page_of(m, width, height, in_ascii);
                INFO(width << " x " << height);
                CHECK(lines.size() == height);
                CHECK(std::ranges::all_of(lines, [&](const std::string& line) { return line.size() <= width; }));
            }
}

TEST_CASE("a terminal of 24 lines shows rates, the busiest flows, drops in words and the last events")
{
    const auto lines = page_of(busy(), 80, 24, in_ascii);
    CHECK(lines[0].starts_with("pasta 4711"));
    CHECK(lines[0].ends_with("3 flows   q: quit"));
    CHECK(contains(lines, "299 kB/s"));
    CHECK(contains(lines, "1.00 MB/s"));
    CHECK(contains(lines, "12 ms"));
    CHECK(contains(lines, "a segment, datagram or error of no flow that is known"));
    CHECK(lines.back() == "15:04:05 event 99");
}

TEST_CASE("a larger terminal shows more of each")
{
    const auto small = page_of(busy(), 80, 24, in_ascii), large = page_of(busy(), 200, 60, in_ascii);
    const auto flows_in = [](const std::vector<std::string>& lines) {
        return std::ranges::count_if(lines,
                                     [](const std::string& line) { return line.find("ESTABLISHED") != std::string::npos; });
    };
    CHECK(flows_in(small) >= 4);
    CHECK(flows_in(large) > 3 * flows_in(small));
    CHECK(contains(large, "[2001:db8:1111:2222:3333:4444:5555:6666]:40000"));
}

TEST_CASE("colours are left out on request")
{
    CHECK(contains(page_of(busy(), 80, 24, {.colour = true, .unicode = false}), "\033["));
    CHECK_FALSE(contains(page_of(busy(), 80, 24, in_ascii), "\033["));
}

TEST_CASE("a sparkline has the newest values at its right end, each as high as its share of the largest")
{
    CHECK(sparkline({0, 1, 4, 8}, 6, false) == "   .=#");
    CHECK(sparkline({8, 0, 1, 4, 8}, 3, false) == ".=#");
    CHECK(sparkline({0, 0}, 3, false) == "   ");
    CHECK(sparkline({}, 2, false) == "  ");
    CHECK(sparkline({1, 8}, 2, true) == "▁█");
}

TEST_CASE("quantities have three digits and a unit")
{
    CHECK(quantity(0) == "0 B");
    CHECK(quantity(999) == "999 B");
    CHECK(quantity(1234) == "1.23 kB");
    CHECK(quantity(12'345'678) == "12.3 MB");
    CHECK(quantity(999'999) == "1.00 MB");
}

TEST_CASE("nothing that a terminal would obey is printed") { CHECK(printable("a\033[2Jb\r\n\x9b") == "a?[2Jb???"); }
