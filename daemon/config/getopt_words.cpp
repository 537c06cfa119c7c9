#include "daemon/config/getopt_words.hpp"

#include <algorithm>
#include <utility>

namespace tapioca {
namespace {

/// Two rows with the same letter are two names of one option.
bool same_option(const option_entry& a, const option_entry& b) noexcept
{
    return &a == &b || (a.letter != '\0' && a.letter == b.letter);
}

/// How many characters have to be changed, added, left out or exchanged with their neighbour to make one word the other.
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before_last = std::exchange(last, row);
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
    }
    return row[b.size()];
}

/// A question for the end of a refusal, if some option is much like what was written.
std::string did_you_mean(std::string_view name, std::span<const option_entry> table)
{
    const option_entry* best = nullptr;
    std::size_t least = 1 + name.size() / 4;
    for (const option_entry& entry : table)
        if (const auto d = distance(name, entry.name); d < least || (d == least && best == nullptr)) {
            least = d;
            best = &entry;
        }
    return best != nullptr ? std::string{"; did you mean '--"}.append(best->name).append("'?") : std::string{};
}

class scanner {
public:
    scanner(std::span<const char* const> argv, std::span<const option_entry> table) : argv_(argv), table_(table)
    {
        if (!argv.empty() && argv[0] != nullptr)
            program_ = argv[0];
    }

    option_words scan()
    {
        while (result_.error.empty() && at_ < argv_.size()) {
            const std::string_view argument = argv_[at_];
            if (argument.size() < 2 || argument[0] != '-')
                break;
            ++at_;
            if (argument == "--") {
                result_.ended = true;
                break;
            }
            if (argument[1] == '-')
                long_option(argument.substr(2));
            else
                letters(argument.substr(1));
        }
        result_.operands = argv_.subspan(std::min(at_, argv_.size()));
        return std::move(result_);
    }

private:
    void fail(std::string_view before, std::string_view what, std::string_view after)
    {
        result_.error.append(program_).append(": ").append(before).append(what).append(after);
    }

    /// The row that `name` means, or null after an error.
    const option_entry* find(std::string_view name, std::string_view whole)
    {
        std::vector<const option_entry*> found;
        for (const option_entry& entry : table_) {
            if (entry.name == name)
                return &entry;
            if (entry.name.starts_with(name) && (found.empty() || !same_option(entry, *found.front())))
                found.push_back(&entry);
        }
        if (found.empty())
            fail("unrecognized option '--", whole, "'" + did_you_mean(name, table_));
        if (found.size() <= 1)
            return found.empty() ? nullptr : found.front();
        fail("option '--", whole, "' is ambiguous; possibilities:");
        for (const option_entry* entry : found)
            result_.error.append(" '--").append(entry->name).append("'");
        return nullptr;
    }

    void long_option(std::string_view text)
    {
        const auto equals = text.find('=');
        const option_entry* entry = find(text.substr(0, equals), text);
        if (entry == nullptr)
            return;
        if (equals != std::string_view::npos) {
            if (!entry->takes_value())
                return fail("option '--", entry->name, "' doesn't allow an argument");
            result_.words.push_back({entry, text.substr(equals + 1)});
        } else if (!entry->takes_value()) {
            result_.words.push_back({entry, {}});
        } else if (at_ == argv_.size()) {
            fail("option '--", entry->name, "' requires an argument");
        } else {
            result_.words.push_back({entry, argv_[at_++]});
        }
    }

    void letters(std::string_view text)
    {
        for (std::size_t i = 0; i < text.size(); ++i) {
            const auto entry =
                std::find_if(table_.begin(), table_.end(), [&](const option_entry& e) { return e.letter == text[i]; });
            if (entry == table_.end())
                return fail("invalid option -- '", text.substr(i, 1), "'");
            if (!entry->takes_value()) {
                result_.words.push_back({&*entry, {}});
                continue;
            }
            if (i + 1 < text.size())
                result_.words.push_back({&*entry, text.substr(i + 1)});
            else if (at_ == argv_.size())
                fail("option requires an argument -- '", text.substr(i, 1), "'");
            else
                result_.words.push_back({&*entry, argv_[at_++]});
            return;
        }
    }

    std::span<const char* const> argv_;
    std::span<const option_entry> table_;
    std::string_view program_;
    std::size_t at_ = 1;
    option_words result_;
};

} // namespace

option_words getopt_words(std::span<const char* const> argv, std::span<const option_entry> table)
{
    return scanner{argv, table}.scan();
}

} // namespace tapioca
