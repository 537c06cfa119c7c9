// Whole command lines, as libvirt and people write them, and what becomes of them: one file each in fixtures/. A line is an
// option with its value, or a word alone; '-' marks what is taken out, '+' what is added, '#' a comment.
#include "qrap/arguments.hpp"
#include "tests/support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace tapioca::qrap;

namespace {

struct fixture {
    std::vector<std::string> given, expected;
};

void append_words(std::vector<std::string>& words, const std::string& text)
{
    const auto blank = text.starts_with('-') ? text.find(' ') : text.npos;
    words.push_back(text.substr(0, blank));
    if (blank != text.npos)
        words.push_back(text.substr(blank + 1));
}

fixture read_fixture(const std::filesystem::path& path)
{
    fixture result;
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('#'))
            continue;
        REQUIRE(line.size() > 2);
        REQUIRE(line[1] == ' ');
        if (line[0] != '+')
            append_words(result.given, line.substr(2));
        if (line[0] != '-')
            append_words(result.expected, line.substr(2));
    }
    return result;
}

} // namespace

TEST_CASE("command lines of libvirt and of people are rewritten word for word")
{
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path{QRAP_FIXTURES})) {
        INFO(entry.path().filename().string());
        const auto [given, expected] = read_fixture(entry.path());
        REQUIRE(!given.empty());
        CHECK(rewrite(given).arguments == expected);
        ++count;
    }
    CHECK(count >= 24);
}
