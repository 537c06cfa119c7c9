// zsh: one call of _arguments.
#include "doc/completions/offer.hpp"

namespace tapioca::completions {
namespace {

/// For a word between single quotes, in which _arguments reads the marks with a backslash in front as themselves.
std::string quoted(std::string_view text, std::string_view marks)
{
    std::string out;
    for (const char c : text) {
        if (marks.find(c) != marks.npos)
            out += '\\';
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out;
}

std::string action(const offer& o)
{
    switch (o.value) {
    case value_kind::file:
        return "_files";
    case value_kind::network_namespace:
        return "{_files; compadd -- /run/netns/*(N\\:t)}";
    case value_kind::interface:
        return "_net_interfaces";
    case value_kind::identity:
        return "_users";
    case value_kind::none:
    case value_kind::other:
        break;
    }
    if (o.words.empty())
        return " ";
    std::string words;
    for (const auto& word : o.words)
        words.append(words.empty() ? "(" : " ").append(word);
    return words + ")";
}

/// A word for each option, in lines of their own.
std::string arguments_of(const std::vector<offer>& offers, std::string_view indent)
{
    std::string text;
    for (const offer& o : offers) {
        std::string all, each;
        const auto add = [&](const std::string& name, const char* glue) {
            all.append(all.empty() ? "" : " ").append(name);
            each.append(each.empty() ? "" : ",").append(name).append(o.takes_value() ? glue : "");
        };
        if (o.letter != '\0')
            add(std::string{'-', o.letter}, "+");
        for (const auto& name : o.names)
            add("--" + name, "=");
        text += " \\\n" + std::string{indent} + (o.repeats ? std::string{"'*'"} : "'(" + all + ")'");
        text += all.find(' ') == all.npos ? each : "{" + each + "}";
        text += "'[" + quoted(o.summary, "[]:\\") + "]";
        if (o.takes_value())
            text += ":" + quoted(o.value_name, ":\\") + ":" + action(o);
        text += "'";
    }
    return text;
}

} // namespace

std::string zsh_completion(std::string_view program, const std::vector<offer>& offers)
{
    std::string text = "#compdef " + std::string{program} + "\n# Completion for " + std::string{program} +
                       "(1) in zsh, made from the table of its options.\n";
    if (program == "tapioca")
        text += "if [[ $CURRENT -gt 2 && ${words[2]} == capture ]]; then\n    shift words\n    (( CURRENT-- ))\n    _arguments "
                "-s -S" +
                arguments_of(offers_of(capture), "        ") + "\n    return\nfi\n";
    text += "_arguments -s -S";
    if (program != "pesto" && program != "tapioca") // whose options may follow an operand
        text += " -A '-*'";
    text += arguments_of(offers, "    ");
    if (program == "pasta")
        text += " \\\n    '*::command:_normal'";
    if (program == "pesto")
        text += " \\\n    '1:socket:_files'";
    std::string words;
    for (const auto& word : commands_of(program))
        words.append(words.empty() ? "" : " ").append(word);
    if (!words.empty())
        text += " \\\n    '1:command:(" + words + ")'";
    return text + "\n";
}

} // namespace tapioca::completions
