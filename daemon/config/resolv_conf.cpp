#include "daemon/config/resolv_conf.hpp"

#include "daemon/config/address_text.hpp"

#include <array>
#include <cstdio>
#include <memory>

namespace tapioca {

namespace {

constexpr std::string_view blanks = " \t\r";

/// More than any resolver reads; what is behind it is ignored.
constexpr std::size_t largest_file = 65536;

std::string_view next_word(std::string_view& line)
{
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    const auto word = line.substr(0, line.find_first_of(blanks));
    line.remove_prefix(word.size());
    return word;
}

} // namespace

resolv_conf parse_resolv_conf(std::string_view text)
{
    resolv_conf parsed;
    bool searched = false;
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.empty() || blanks.find(line.front()) != std::string_view::npos)
            continue;
        const auto keyword = next_word(line);
        if (keyword == "nameserver") {
            const auto word = next_word(line);
            if (const auto address = parse_ip(word.substr(0, word.find('%'))))
                parsed.resolvers.push_back(*address);
        } else if (keyword == "search" && !searched) {
            searched = true;
            for (auto word = next_word(line); !word.empty(); word = next_word(line))
                parsed.search.emplace_back(word);
        }
    }
    return parsed;
}

// syscalls: openat newfstatat read close
os::result<resolv_conf> read_resolv_conf(const char* path)
{
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path, "re"), &std::fclose};
    if (!file)
        return os::last_error();
    std::string text(largest_file, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0)
        return os::last_error();
    return parse_resolv_conf(text);
}

} // namespace tapioca
