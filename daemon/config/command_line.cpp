#include "daemon/config/command_line.hpp"

#include "daemon/config/getopt_words.hpp"
#include "daemon/config/option_values.hpp"
#include "daemon/config/parsed_options.hpp"
#include "daemon/config/resolve_options.hpp"
#include "daemon/config/usage.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace tapioca {
namespace {

/// By the last component of the name we were called by.
mode mode_of(std::string_view program, bool vhost_user)
{
    const auto name = program.substr(program.rfind('/') + 1);
    if (vhost_user)
        return mode::passt;
    if (name.find("pasta") != std::string_view::npos)
        return mode::pasta;
    if (name.find("passt") == std::string_view::npos)
        refuse("Cannot determine mode, invoke as \"passt\" or \"pasta\"");
    return mode::passt;
}

/// How an option is called in a refusal: letters are more familiar than names, digits are not.
std::string shown_name(const option_entry& entry)
{
    if (entry.letter >= 'A')
        return {'-', entry.letter};
    return "--" + std::string{entry.name};
}

void check_audience(const parsed_options& d, const option_entry& entry)
{
    const bool pasta = d.opts.mode == mode::pasta;
    switch (entry.who) {
    case audience::everybody:
        return;
    case audience::passt:
        return pasta ? refuse(shown_name(entry), " is for passt mode only") : void();
    case audience::passt_or_vhost_user:
        return pasta ? refuse(shown_name(entry), " is for passt / vhost-user mode only") : void();
    case audience::vhost_user:
        return d.vhost_user ? void() : refuse(shown_name(entry), " is for vhost-user mode only");
    case audience::pasta:
        return pasta ? void() : refuse(shown_name(entry), " is for pasta mode only");
    }
}

void take(parsed_options& d, const option_entry& entry, std::string_view value)
{
    check_audience(d, entry);
    if (entry.state == support::refused)
        d.refused.push_back("--" + std::string{entry.name});
    else
        entry.apply(d, value);
}

/// The first row of the table with the entry's letter, or the entry itself.
const option_entry& canonical(const option_entry& entry)
{
    return entry.letter == '\0' ? entry : *std::ranges::find(option_table(), entry.letter, &option_entry::letter);
}

/// Every option acts when it is met: later ones win, and some undo earlier ones.
void take_in_order(parsed_options& d, std::span<const option_word> words)
{
    CLI::App app;
    app.set_help_flag();
    for (const option_entry& entry : option_table()) {
        if (&entry != &canonical(entry))
            continue;
        const auto name = "--" + std::string{entry.name};
        auto* option = entry.takes_value() ? app.add_option(name, CLI::callback_t{[&d, &entry](const CLI::results_t& given) {
                                                                take(d, entry, given.back());
                                                                return true;
                                                            }})
                                           : app.add_flag_callback(name, [&d, &entry] { take(d, entry, {}); });
        option->trigger_on_parse();
    }
    std::vector<std::string> reversed; // CLI11 takes its arguments from the back
    for (const option_word& word : words) {
        reversed.push_back("--" + std::string{canonical(*word.option).name});
        if (word.option->takes_value())
            reversed.emplace_back(word.value);
    }
    std::ranges::reverse(reversed);
    app.parse(std::move(reversed));
}

/// What starts such an instance once more, in the background and in nobody's place.
std::vector<std::string> start_words(const parsed_options& d, const option_words& given)
{
    std::vector<std::string> words{std::string{d.program}};
    for (const option_word& word : given.words) {
        const auto& name = canonical(*word.option).name;
        if (name == "foreground" || name == "take-over")
            continue;
        words.push_back("--" + std::string{name});
        if (word.option->takes_value())
            words.back().append("=").append(word.value);
    }
    words.insert(words.end(), given.operands.begin(), given.operands.end());
    return words;
}

} // namespace

options parse_command_line(std::span<const char* const> argv, const port_facts& facts)
{
    parsed_options d;
    d.program = argv.empty() || argv[0] == nullptr ? std::string_view{} : argv[0];
    const option_words given = getopt_words(argv, option_table());
    d.vhost_user = std::ranges::any_of(given.words, [](const option_word& w) { return w.option->name == "vhost-user"; });
    d.opts.mode = mode_of(d.program, d.vhost_user);
    const bool pasta = d.opts.mode == mode::pasta;
    d.opts.announce_dns = d.opts.announce_search = !pasta;
    try {
        take_in_order(d, given.words);
    } catch (const CLI::Error& error) {
        refuse(error.what());
    }
    if (!given.error.empty())
        throw early_exit{1, given.error + '\n' + synopsis(d.program, pasta) + "Try '" + std::string{d.program} + " --help'.\n",
                         false};
    resolve_options(d, given.operands, facts);
    d.opts.start_words = start_words(d, given);
    d.opts.start_directory = facts.directory;
    return std::move(d.opts);
}

} // namespace tapioca
