// Command lines as a test writes them: one string.
#pragma once

#include "daemon/config/command_line.hpp"
#include "daemon/config/port_refusal.hpp"
#include "tests/support/catch.hpp"

#include <sstream>
#include <string>
#include <vector>

namespace tapioca::test {

/// Splits at blanks; '' is an empty argument, and ~_ stands for a blank inside one.
inline std::vector<std::string> arguments(const std::string& line)
{
    std::vector<std::string> result;
    std::istringstream in{line};
    for (std::string w; in >> w;) {
        for (auto at = w.find("~_"); at != std::string::npos; at = w.find("~_"))
            w.replace(at, 2, " ");
        result.push_back(w == "''" ? "" : w);
    }
    return result;
}

inline options parse(const std::vector<std::string>& words, const port_facts& facts = {{32768, 60999}, true, true})
{
    std::vector<const char*> argv;
    for (const auto& w : words)
        argv.push_back(w.c_str());
    return parse_command_line(argv, facts);
}

inline options parse(const std::string& line, const port_facts& facts = {{32768, 60999}, true, true})
{
    return parse(arguments(line), facts);
}

inline early_exit exit_of(const std::vector<std::string>& words)
{
    try {
        (void)parse(words);
    } catch (const early_exit& e) {
        return e;
    }
    return {-1, "accepted\n", false};
}

inline early_exit exit_of(const std::string& line) { return exit_of(arguments(line)); }

/// As they are shown.
inline std::vector<std::string> rules(const forward_rules& table)
{
    std::vector<std::string> result;
    for (const auto& rule : table)
        result.push_back(to_text(rule));
    return result;
}

/// What callers know and match of an error text: of each line the beginning, without the reason and the remedy behind it.
inline std::string known_part(const std::string& text)
{
    std::string known;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);)
        known += (known.empty() ? "" : "\n") + line.substr(0, line.find("; "));
    return known;
}

/// The text of an error without its last newline; it must go to stderr with status 1.
inline std::string whole_refusal(const std::string& line)
{
    auto e = exit_of(line);
    CHECK(e.status == 1);
    CHECK_FALSE(e.to_stdout);
    REQUIRE(e.text.ends_with('\n'));
    e.text.pop_back();
    return e.text;
}

inline std::string refusal(const std::string& line) { return known_part(whole_refusal(line)); }

} // namespace tapioca::test
