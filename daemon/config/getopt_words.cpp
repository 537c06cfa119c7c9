#include "daemon/config/getopt_words.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// Two rows with the same letter are two names of one option.
bool same_option(const option_entry& a, const option_entry& b) noexcept
{
    return &a == &b || (a.letter != '\0' && a.letter == b.letter);
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
            if (argument == "--")
                break;
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
            fail("unrecognized option '--", whole, "'");
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
