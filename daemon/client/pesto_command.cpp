#include "daemon/client/pesto_command.hpp"

#include "daemon/config/early_exit.hpp"
#include "daemon/config/getopt_words.hpp"
#include "daemon/config/help_lines.hpp"
#include "daemon/os/unix_address.hpp"

namespace tapioca::client {
namespace {

constexpr auto everybody = audience::everybody;
constexpr auto group = option_group::ports;
constexpr auto built = support::built;

// clang-format off: a row is a line
constexpr option_entry table[] = {
    {"add", 'A', "", everybody, group, built, nullptr,
     "The ports of the options that follow are added to the rules there are; what is there already stays as it is"},
    {"delete", 'D', "", everybody, group, built, nullptr, "The rules of the options that follow are deleted"},
    {"clear", 'C', "PIF", everybody, group, built, nullptr, "Delete all rules of HOST (-t and -u) or of SPLICE (-T and -U)"},
    {"tcp-ports", 't', "SPEC", everybody, group, built, nullptr,
     "TCP ports of the host that lead to the guest, written as for passt and pasta; without --add or --delete before them they "
     "replace all rules of -t and -u"},
    {"udp-ports", 'u', "SPEC", everybody, group, built, nullptr, "UDP ports of the host that lead to the guest, likewise"},
    {"tcp-ns", 'T', "SPEC", everybody, group, built, nullptr,
     "TCP ports of the namespace's loopback that lead to the host's; without --add or --delete before them they replace all "
     "rules of -T and -U"},
    {"udp-ns", 'U', "SPEC", everybody, group, built, nullptr,
     "UDP ports of the namespace's loopback that lead to the host's, likewise"},
    {"show", 's', "", everybody, option_group::information, built, nullptr, "Print the rules, before and after a change"},
    {"debug", 'd', "", everybody, option_group::information, built, nullptr, "Say what is done"},
    {"help", 'h', "", everybody, option_group::information, built, nullptr, "Show this and exit"},
    {"version", 0, "", everybody, option_group::information, built, nullptr, "Show the version and exit"},
};
// clang-format on

constexpr std::string_view version_text = "pesto " TAPIOCA_VERSION "\nPart of tapioca. Copyright the tapioca contributors.\n"
                                          "License: Apache-2.0 <https://www.apache.org/licenses/LICENSE-2.0>\n"
                                          "There is no warranty, to the extent permitted by law.\n";

std::string synopsis(std::string_view program) { return "Usage: " + std::string{program} + " [OPTION]... PATH\n"; }

std::string help_text(std::string_view program)
{
    auto text = synopsis(program) + "Shows and changes the ports that a running passt or pasta forwards, by its\n"
                                    "control socket at PATH (--conf-path). Without an option, the rules are printed.\n\n";
    for (const option_entry& entry : table)
        text += help_lines(entry);
    return text + R"(
Examples:
  pesto --add -t 8080:80 /run/user/1000/pasta.socket
      the host's port 8080 leads to port 80 from now on
  pesto --delete -t 8080:80 --add -t 8081:80 --show /run/user/1000/pasta.socket
      the same with another port, and the rules before and after it
)";
}

[[noreturn]] void misused(std::string_view program, const std::string& why)
{
    const std::string name{program};
    throw early_exit{1, why + '\n' + synopsis(name) + "Try '" + name + " --help'.\n", false};
}

void take(pesto_command& command, std::string_view program, const option_word& word)
{
    using kind = pesto_step::kind;
    switch (word.option->letter) {
    case 'A':
        return command.steps.push_back({kind::add, '\0', {}});
    case 'D':
        return command.steps.push_back({kind::remove, '\0', {}});
    case 'C':
        return command.steps.push_back({kind::clear, '\0', word.value});
    case 's':
        command.show = true;
        return;
    case 'd':
        command.debug = true;
        return;
    case 'h':
        throw early_exit{0, help_text(program), true};
    case '\0':
        throw early_exit{0, std::string{version_text}, true};
    default:
        return command.steps.push_back({kind::ports, word.option->letter, word.value});
    }
}

void check_path(const std::string& path)
{
    if (path.empty() || path.size() > os::longest_socket_path)
        throw early_exit{1, "Invalid socket path \"" + path + "\"\n", false};
}

} // namespace

std::span<const option_entry> pesto_options() noexcept { return table; }

pesto_command parse_pesto_command(std::span<const char* const> argv)
{
    pesto_command command;
    std::vector<const char*> rest{argv.begin(), argv.end()}, operands;
    const std::string_view program = rest.empty() ? "pesto" : rest.front();
    for (bool more = true; more;) {
        const option_words given = getopt_words(rest, table);
        for (const option_word& word : given.words)
            take(command, program, word);
        if (!given.error.empty())
            misused(program, given.error);
        // Everything behind `--` is an operand, else the first one alone.
        more = !given.ended && !given.operands.empty();
        const auto count = more ? 1 : given.operands.size();
        operands.insert(operands.end(), given.operands.begin(), given.operands.begin() + static_cast<std::ptrdiff_t>(count));
        if (more)
            rest.erase(rest.begin() + 1, rest.end() - static_cast<std::ptrdiff_t>(given.operands.size() - 1));
    }
    const std::string name{program};
    if (operands.empty())
        misused(program, name + ": the path of a control socket is needed");
    if (operands.size() > 1)
        misused(program, name + ": one path is needed, and not " + operands[0] + " and " + operands[1]);
    command.path = operands[0];
    check_path(command.path);
    return command;
}

} // namespace tapioca::client
