// bash: a function that finds out what the word under the cursor is. bash cuts words at = and :, so that "--mtu=1500" is three of
// them, and "-t 8080:80" four.
#include "doc/completions/offer.hpp"

namespace tapioca::completions {
namespace {

constexpr std::string_view function = R"(_%PROGRAM%()
{
    local word=${COMP_WORDS[COMP_CWORD]} waiting= glued= command= operand=0 i j
    COMPREPLY=()
%OTHER%    for ((i = 1; i < COMP_CWORD && !operand; i++)); do
        case ${COMP_WORDS[i]} in
        = | :)
            glued=yes
            continue ;;
        esac
        if [[ $waiting || $glued ]]; then
            waiting= glued=
            continue
        fi
        case ${COMP_WORDS[i]} in
        --) operand=$((i + 1)) ;;
        %LONG%) waiting=${COMP_WORDS[i]} ;;
        --*) ;;
        -?*)
            for ((j = 1; j < ${#COMP_WORDS[i]}; j++)); do
                if [[ '%LETTERS%' == *"${COMP_WORDS[i]:j:1}"* ]]; then
                    [[ ${COMP_WORDS[i]:j+1} ]] || waiting=-${COMP_WORDS[i]:j:1}
                    break
                fi
            done ;;
        *) %STOP% ;;
        esac
    done
    if [[ $word == [=:] ]]; then
        glued=yes word=
    fi

    if ((operand)); then
%OPERAND%
    elif [[ $waiting ]]; then
        case $waiting in
%VALUES%        esac
    elif [[ $glued ]]; then
        return
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '%OPTIONS%' -- "$word")
%FIRST%    fi
}
complete -F _%PROGRAM% %PROGRAM%
)";

constexpr std::string_view command_operand = R"(        if ((operand < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
            _command_offset "$operand"
        elif ((operand < COMP_CWORD)); then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -c -- "$word")
        fi)";
constexpr std::string_view other_options = R"(    if [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == capture ]]; then
        _tapioca_capture
        return
    fi
)";
constexpr std::string_view no_operand = "        return";

constexpr std::string_view first_operand = R"(    else
        mapfile -t COMPREPLY < <(compgen -c -- "$word")
)";

constexpr std::string_view first_file = R"(    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
)";
constexpr std::string_view first_word = R"(    elif [[ ! $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W '%WORDS%' -- "$word")
)";
constexpr std::string_view file_operand = R"(        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word"))";

std::string replaced(std::string text, std::string_view mark, std::string_view with)
{
    for (auto at = text.find(mark); at != text.npos; at = text.find(mark, at + with.size()))
        text.replace(at, mark.size(), with);
    return text;
}

std::string joined(const std::vector<std::string>& words)
{
    std::string text;
    for (const auto& word : words)
        text.append(text.empty() ? "" : " ").append(word);
    return text;
}

/// "--socket | --socket-path"
std::string alternatives(const offer& o)
{
    std::string text;
    for (const auto& name : o.names)
        text.append(text.empty() ? "--" : " | --").append(name);
    return text;
}

/// What finds the values of an option; nothing if the user alone knows them.
std::string action(const offer& o)
{
    std::string words;
    for (const auto& word : o.words)
        words.append(words.empty() ? "" : " ").append(word);
    const auto list = [&words](std::string_view how) {
        std::string text{how};
        if (!words.empty())
            text.append(" -W \"").append(words).append("\"");
        return "mapfile -t COMPREPLY < <(compgen" + text + " -- \"$word\")";
    };
    switch (o.value) {
    case value_kind::file:
        return "compopt -o filenames 2>/dev/null; " + list(" -f");
    case value_kind::network_namespace:
        words = "$(ls /run/netns 2>/dev/null)";
        return "compopt -o filenames 2>/dev/null; " + list(" -f");
    case value_kind::interface:
        words = "$(ls /sys/class/net)";
        return list("");
    case value_kind::identity:
        return list(" -u");
    case value_kind::none:
    case value_kind::other:
        break;
    }
    return words.empty() ? "" : list("");
}

std::string with_letter(const offer& o) { return o.letter == '\0' ? alternatives(o) : alternatives(o) + " | -" + o.letter; }

} // namespace

std::string bash_completion(std::string_view program, const std::vector<offer>& offers)
{
    const bool commands = program == "pasta", path = program == "pesto";
    std::string first = commands ? std::string{first_operand} : path ? std::string{first_file} : "";
    if (const auto words = commands_of(program); !words.empty())
        first = replaced(std::string{first_word}, "%WORDS%", joined(words));
    std::string names, letters, with_value, values;
    for (const offer& o : offers) {
        for (const auto& name : o.names)
            names.append(names.empty() ? "--" : " --").append(name);
        if (o.letter != '\0')
            names.append(" -").push_back(o.letter);
        if (!o.takes_value())
            continue;
        with_value.append(with_value.empty() ? "" : " | ").append(alternatives(o));
        if (o.letter != '\0')
            letters += o.letter;
        if (const auto found = action(o); !found.empty())
            values += "        " + with_letter(o) + ") " + found + " ;;\n";
    }
    std::string text = "# Completion for " + std::string{program} + "(1) in bash, made from the table of its options.\n";
    text += function;
    text = replaced(std::move(text), "%OPERAND%", commands ? command_operand : path ? file_operand : no_operand);
    text = replaced(std::move(text), "%FIRST%", first);
    text = replaced(std::move(text), "%STOP%",
                    program == "tapioca" || program == capture ? "command=yes"
                    : path                                     ? "continue"
                                                               : "operand=$i"); // options may follow a path
    text = replaced(std::move(text), "%LONG%", with_value);
    text = replaced(std::move(text), "%LETTERS%", letters);
    text = replaced(std::move(text), "%VALUES%", values);
    text = replaced(std::move(text), "%OPTIONS%", names);
    text = replaced(std::move(text), "%OTHER%", program == "tapioca" ? other_options : "");
    text = replaced(std::move(text), "%PROGRAM%", program);
    return program == "tapioca" ? text + bash_completion(capture, offers_of(capture)) : text;
}

} // namespace tapioca::completions
