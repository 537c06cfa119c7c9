// fish: a line for each option.
#include "doc/completions/offer.hpp"

namespace tapioca::completions {
namespace {

std::string quoted(std::string_view text)
{
    std::string out{"'"};
    for (const char c : text) {
        if (c == '\'' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + "'";
}

std::string values(const offer& o)
{
    switch (o.value) {
    case value_kind::none:
        return "";
    case value_kind::file:
        return " -r -F";
    case value_kind::network_namespace:
        return " -r -F -a '(command ls /run/netns 2>/dev/null)'";
    case value_kind::interface:
        return " -x -a '(__fish_print_interfaces)'";
    case value_kind::identity:
        return " -x -a '(__fish_complete_users)'";
    case value_kind::other:
        break;
    }
    std::string words;
    for (const auto& word : o.words)
        words.append(words.empty() ? "" : " ").append(word);
    return words.empty() ? " -x" : " -x -a " + quoted(words);
}

} // namespace

std::string fish_completion(std::string_view program, const std::vector<offer>& offers)
{
    const std::string complete = "complete -c " + std::string{program};
    std::string text = "# Completion for " + std::string{program} + "(1) in fish, made from the table of its options.\n" +
                       complete + (program == "pesto" ? " -F\n" : " -f\n");
    std::string with_value;
    const auto add = [&](const offer& o, std::string_view condition) {
        text.append(complete).append(condition);
        if (o.letter != '\0')
            text.append(" -s ").push_back(o.letter);
        for (const auto& name : o.names) {
            text += " -l " + name;
            with_value += o.takes_value() ? " --" + name : "";
        }
        if (o.takes_value() && o.letter != '\0')
            with_value.append(" -").push_back(o.letter);
        text += values(o) + " -d " + quoted(o.summary) + "\n";
    };
    for (const offer& o : offers)
        add(o, "");
    if (program == "tapioca")
        for (const offer& o : offers_of(capture))
            add(o, " -n '__fish_seen_subcommand_from capture'");
    for (const auto& word : commands_of(program))
        text += complete + " -n __fish_use_subcommand -a " + word + "\n";
    if (program == "pasta")
        text += complete + " -x -a '(__fish_complete_subcommand --" + with_value + ")'\n";
    return text;
}

} // namespace tapioca::completions
