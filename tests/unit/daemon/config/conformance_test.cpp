// The tables of doc/options_conformance.md, row by row: what they say of a command line is what happens to it.
#include "daemon/config/option_table.hpp"
#include "tests/unit/daemon/config/command_line_support.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

using namespace tapioca;
using namespace tapioca::test;

namespace {

using cells = std::vector<std::string>;

std::string text_of_file(const std::string& path)
{
    std::ifstream file{SOURCE_TREE "/" + path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::string trimmed(const std::string& text)
{
    const auto first = text.find_first_not_of(' ');
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') + 1 - first);
}

/// The rows of the document's table that begins with this head, without it and the line below it.
std::vector<cells> table_below(const std::string& head)
{
    std::istringstream lines{text_of_file("doc/options_conformance.md")};
    std::vector<cells> rows;
    std::string line;
    while (std::getline(lines, line) && line != head)
        continue;
    while (std::getline(lines, line) && line.starts_with('|')) {
        std::istringstream row{line.substr(1)};
        rows.emplace_back();
        for (std::string cell; std::getline(row, cell, '|');)
            rows.back().push_back(trimmed(cell));
    }
    if (!rows.empty())
        rows.erase(rows.begin());
    return rows;
}

/// What stands between backquotes.
std::vector<std::string> quoted(const std::string& cell)
{
    std::vector<std::string> result;
    std::istringstream pieces{cell};
    std::string outside, inside;
    while (std::getline(pieces, outside, '`') && std::getline(pieces, inside, '`'))
        result.push_back(inside);
    return result;
}

/// As the tables say it: the first two lines of a refusal are never both of interest.
std::string outcome_of(const std::vector<std::string>& words)
{
    const auto e = exit_of(words);
    if (e.status == -1)
        return "accepted";
    if (e.status == 0)
        return e.to_stdout && !e.text.empty() ? "printed" : "silence";
    return e.to_stdout ? "an error on standard output" : known_part(e.text.substr(0, e.text.find('\n')));
}

/// A row of the first table.
struct option_row {
    std::string name, letter, value;
    std::vector<std::string> beside, tests;
    std::string passt, pasta, meaning;
};

option_row read_row(const cells& row)
{
    REQUIRE(row.size() == 5);
    const auto spans = quoted(row[0]);
    REQUIRE_FALSE(spans.empty());
    option_row result{.name = {},
                      .letter = {},
                      .value = {},
                      .beside = {spans.begin() + 1, spans.end()},
                      .tests = quoted(row[4]),
                      .passt = row[1],
                      .pasta = row[2],
                      .meaning = row[3]};
    for (const auto& word : arguments(spans[0]))
        if (word.starts_with("--"))
            result.name = word.substr(2);
        else if (word.starts_with('-') && word.ends_with(','))
            result.letter = word.substr(1, 1);
        else
            result.value = word;
    return result;
}

std::vector<option_row> option_rows()
{
    std::vector<option_row> result;
    for (const auto& row : table_below("| option | passt | pasta | meaning | test |"))
        result.push_back(read_row(row));
    return result;
}

/// The same option in every form that it has.
std::vector<std::vector<std::string>> forms_of(const option_row& row)
{
    const auto name = "--" + row.name;
    const auto letter = '-' + row.letter;
    std::vector<std::vector<std::string>> forms = {{name}};
    if (row.value.empty()) {
        if (!row.letter.empty())
            forms.push_back({letter});
        return forms;
    }
    forms = {{name, row.value}, {name + '=' + row.value}};
    if (!row.letter.empty())
        forms.insert(forms.end(), {{letter, row.value}, {letter + row.value}});
    return forms;
}

} // namespace

TEST_CASE("the table of options in the document is that of the program")
{
    const auto rows = option_rows();
    std::set<std::string> documented;
    for (const option_row& row : rows) {
        INFO(row.name);
        CHECK(documented.insert(row.name).second);
        const auto entry = std::ranges::find(option_table(), row.name, &option_entry::name);
        REQUIRE(entry != option_table().end());
        CHECK(row.letter == (entry->letter == '\0' ? "" : std::string{entry->letter}));
        CHECK(row.value.empty() != entry->takes_value());
        CHECK_FALSE(row.meaning.empty());
    }
    CHECK(documented.size() == option_table().size());
}

TEST_CASE("each option is taken or refused under both names, in all its forms, as the document says")
{
    for (const option_row& row : option_rows())
        for (const auto& form : forms_of(row))
            for (const auto* program : {"passt", "pasta"}) {
                std::vector<std::string> words = {program};
                words.insert(words.end(), row.beside.begin(), row.beside.end());
                words.insert(words.end(), form.begin(), form.end());
                INFO(program << ' ' << form.front());
                if (row.beside == std::vector<std::string>{"--config-net"} && words[0] == "passt")
                    words.erase(words.begin() + 1);
                CHECK(outcome_of(words) == (words[0] == "passt" ? row.passt : row.pasta));
            }
}

TEST_CASE("each option that is taken has a test of its meaning, which names it")
{
    for (const option_row& row : option_rows()) {
        INFO(row.name);
        const bool taken = row.passt == "accepted" || row.pasta == "accepted" || row.passt == "printed";
        CHECK(row.tests.empty() != taken);
        bool named = row.tests.empty();
        for (const auto& path : row.tests) {
            const auto test = text_of_file("tests/" + path);
            INFO(path);
            CHECK_FALSE(test.empty());
            named = named || test.find("--" + row.name) != std::string::npos ||
                    (!row.letter.empty() && test.find("\"-" + row.letter + '"') != std::string::npos);
        }
        CHECK(named);
    }
}

TEST_CASE("what the document says of options together is so")
{
    const auto rows = table_below("| command line | outcome |");
    CHECK(rows.size() > 30);
    for (const cells& row : rows) {
        REQUIRE(row.size() == 2);
        INFO(row[0]);
        CHECK(outcome_of(arguments(quoted(row[0]).at(0))) == row[1]);
    }
}
