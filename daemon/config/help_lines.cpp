#include "daemon/config/help_lines.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t help_column = 32, width = 80;

std::string left_column(const option_entry& entry)
{
    std::string text = entry.letter != '\0' ? std::string{"  -"} + entry.letter + ", --" : "      --";
    text += entry.name;
    if (entry.takes_value())
        text.append(" ").append(entry.value_name);
    return text;
}

/// Appends `words` after the left column, broken between words, each line indented to the help column.
void append_wrapped(std::string& out, std::size_t column, std::string_view words)
{
    const auto indent = [&] {
        if (column >= help_column) {
            out += '\n';
            column = 0;
        }
        out.append(help_column - column, ' ');
        column = help_column;
    };
    indent();
    while (!words.empty()) {
        const auto word = words.substr(0, words.find(' '));
        words.remove_prefix(std::min(word.size() + 1, words.size()));
        if (column > help_column && column + 1 + word.size() > width) {
            indent();
        } else if (column > help_column) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
    }
    out += '\n';
}

} // namespace

std::string help_lines(const option_entry& entry)
{
    std::string help{entry.help};
    if (entry.state == support::refused)
        help += " (not in this build)";
    return help_lines(left_column(entry), help);
}

std::string help_lines(std::string left, std::string_view explanation)
{
    append_wrapped(left, left.size(), explanation);
    return left;
}

} // namespace tapioca
