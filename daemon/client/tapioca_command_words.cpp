#include "daemon/client/tapioca_command_words.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace tapioca::client {
namespace {

constexpr std::string_view plain_characters = "0123456789abcdefABCDEF.:,/~-[]"; // of numbers, ports and addresses
constexpr std::string_view plain_words[] = {"all", "any", "auto", "none", "off", "unlimited", "pasta", "passt"};

bool is_plain(std::string_view value)
{
    return std::ranges::find(plain_words, value) != std::end(plain_words) ||
           (value.find_first_not_of(plain_characters) == value.npos && value.find_first_of("0123456789") != value.npos);
}

void hide_value(pseudonyms& names, std::string_view value)
{
    if (is_plain(value))
        return;
    names.hide(value);
    names.hide_path(value); // its parts may be elsewhere
}

} // namespace

std::vector<std::string> command_words(pid_t pid)
{
    std::ifstream file{"/proc/" + std::to_string(pid) + "/cmdline"};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    std::vector<std::string> words;
    for (std::size_t from = 0; from < text.size();) {
        const auto end = std::min(text.find('\0', from), text.size());
        words.push_back(text.substr(from, end - from));
        from = end + 1;
    }
    return words;
}

void hide_words(pseudonyms& names, const std::vector<std::string>& words)
{
    bool is_option_possible = true;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (i == 0)
            names.hide_path(word);
        else if (word == "--")
            is_option_possible = false;
        else if (!is_option_possible || !word.starts_with('-'))
            hide_value(names, word);
        else if (word.starts_with("--"))
            hide_value(names, word.substr(std::min(word.find('='), word.size() - 1) + 1));
        else
            hide_value(names, word.substr(std::min<std::size_t>(2, word.size())));
    }
}

std::string value_of_option(const std::vector<std::string>& words, std::string_view letter, std::string_view name)
{
    const auto is_short = "-" + std::string{letter}, is_long = "--" + std::string{name};
    for (std::size_t i = 1; i < words.size() && words[i] != "--"; ++i) {
        if (words[i] == is_short || words[i] == is_long)
            return i + 1 < words.size() ? words[i + 1] : std::string{};
        if (words[i].starts_with(is_long + '='))
            return words[i].substr(is_long.size() + 1);
    }
    return {};
}

} // namespace tapioca::client
