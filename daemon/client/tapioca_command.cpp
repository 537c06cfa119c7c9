#include "daemon/client/tapioca_command.hpp"

#include "daemon/config/early_exit.hpp"
#include "daemon/config/getopt_words.hpp"
#include "daemon/config/help_lines.hpp"
#include "daemon/os/unix_address.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace tapioca::client {
namespace {

constexpr auto everybody = audience::everybody;
constexpr auto group = option_group::information;
constexpr auto built = support::built;

constexpr option_entry table[] = {
    {"json", 'j', "", everybody, group, built, nullptr, "Print what the instances say, as JSON, a line each"},
    {"info", 'i', "", everybody, group, built, nullptr,
     "flows: also what the kernel knows of TCP connections: round-trip time, congestion window, retransmissions, octets"},
    {"control", 'c', "PATH", everybody, group, built, nullptr,
     "Ask the instance with the control socket at PATH, instead of all that are yours"},
    {"anonymous", 'a', "", everybody, group, built, nullptr, "With report: stand-ins for addresses and names"},
    {"listen", 'l', "PLACE", everybody, group, built, nullptr,
     "With metrics: serve them by HTTP at unix:PATH, 127.0.0.1:PORT or [::1]:PORT, until it is ended"},
    {"openmetrics", 'O', "", everybody, group, built, nullptr, "With metrics: OpenMetrics 1.0, not Prometheus's text format"},
    {"tcp-ports", 't', "SPEC", everybody, group, built, nullptr,
     "With rules: ports of TCP on the host, as passt and pasta have them"},
    {"udp-ports", 'u', "SPEC", everybody, group, built, nullptr, "With rules: ports of UDP on the host"},
    {"tcp-ns", 'T', "SPEC", everybody, group, built, nullptr, "With rules: ports of TCP in the namespace"},
    {"udp-ns", 'U', "SPEC", everybody, group, built, nullptr, "With rules: ports of UDP in the namespace"},
    {"owner", 'o', "NAME", everybody, group, built, nullptr,
     "With rules: who adds them (default: control); whose are deleted or replaced, and nobody else's"},
    {"program", 'p', "PATH", everybody, group, built, nullptr,
     "With upgrade: the program to start, instead of the one that the instance was started by"},
    {"help", 'h', "", everybody, group, built, nullptr, "Show this and exit"},
    {"version", 0, "", everybody, group, built, nullptr, "Show the version and exit"},
};

constexpr std::string_view version_text = "tapioca " TAPIOCA_VERSION "\nCopyright the tapioca contributors.\n"
                                          "License: Apache-2.0 <https://www.apache.org/licenses/LICENSE-2.0>\n"
                                          "There is no warranty, to the extent permitted by law.\n";

constexpr std::string_view synopsis = "Usage: tapioca COMMAND [OPTION]... [PID|NAME]\n"
                                      "       tapioca flows [OPTION]... FILTER [PID|NAME]\n"
                                      "       tapioca end [OPTION]... ID [PID|NAME]\n"
                                      "       tapioca policy check [OPTION]... PROFILE|NAME|FILE...\n"
                                      "       tapioca policy learn AUDIT\n"
                                      "       tapioca policy reopen FILE [PID|PATH]\n"
                                      "       tapioca policy show|lock [OPTION]... [PID|NAME]\n"
                                      "       tapioca policy set [OPTION]... PROFILE|NAME|FILE... [PID]\n"
                                      "       tapioca why [OPTION]... HOST:PORT[/PROTOCOL] [PID|NAME]\n"
                                      "       tapioca rules add|replace -t|-u|-T|-U SPEC... [OPTION]... [PID|NAME]\n"
                                      "       tapioca rules delete ID | -t|-u|-T|-U SPEC... [OPTION]... [PID|NAME]\n";

std::string help_text()
{
    std::string text{synopsis};
    text += R"(Shows and changes what running passt and pasta do: those of this user, or of
everybody for root, or the one with the process id PID, or those whose
namespace, machine or socket is called NAME.

Commands:
)";
    for (const auto& command : subcommands())
        text += help_lines("  " + std::string{command.name} + (command.operand.empty() ? "" : " ") + std::string{command.operand},
                           command.help);
    text += "\nOptions:\n";
    for (const option_entry& entry : table)
        text += help_lines(entry);
    return text + R"(
Examples:
  tapioca ps
      which instances there are, and whose network they serve
  tapioca flows --json 4711 | jq -r '.flows[].remote.address' | sort | uniq -c
      whom the guest of process 4711 talks to
  tapioca flows -i 'dport = :443 and dst 10.0.0.0/8'
      its connections to HTTPS servers in that network, and how they fare
  tapioca end --control /run/user/1000/pasta.control 0.tcp.17.3
      a connection is reset, for the guest and for its peer

  tapioca rules add -t 8080:80 -u 53:5353 --owner web
      two ports of the host lead to two of the guest from now on
  tapioca rules replace -t none --owner web
      all that was added for web is deleted

Exit status: 0 if it was done, 1 if not, 2 if the command line makes no sense.
)";
}

[[noreturn]] void misused(const std::string& why)
{
    throw early_exit{2, "tapioca: " + why + '\n' + std::string{synopsis} + "Try 'tapioca --help'.\n", false};
}

using given_options = std::vector<std::string_view>;

void take(tapioca_command& command, given_options& given, const option_word& word)
{
    given.push_back(word.option->name);
    switch (word.option->letter) {
    case 'j':
        command.json = true;
        return;
    case 'i':
        command.info = true;
        return;
    case 'c':
        if (word.value.empty() || word.value.size() > os::longest_socket_path)
            misused("invalid socket path '" + std::string{word.value} + '\'');
        command.path = std::string{word.value};
        return;
    case 'a':
        command.anonymous = true;
        return;
    case 'l':
        if (!(command.listen = parse_listen_place(word.value)))
            misused("'" + std::string{word.value} + "' is neither unix:PATH nor a port of loopback, such as 127.0.0.1:9101");
        return;
    case 'O':
        command.openmetrics = true;
        return;
    case 't':
    case 'u':
    case 'T':
    case 'U':
        return command.rules.rules.push_back({word.option->letter, std::string{word.value}});
    case 'o':
        if (word.value.empty())
            misused("an owner has a name");
        command.rules.owner = std::string{word.value};
        return;
    case 'p':
        if (word.value.empty())
            misused("a program has a path");
        command.program = std::string{word.value};
        return;
    case 'h':
        throw early_exit{0, help_text(), true};
    default:
        throw early_exit{0, std::string{version_text}, true};
    }
}

/// Options may stand anywhere; everything behind `--` is an operand.
std::vector<std::string_view> take_options(tapioca_command& command, given_options& all, std::span<const char* const> argv)
{
    std::vector<const char*> rest{argv.begin(), argv.end()};
    if (!rest.empty())
        rest.front() = "tapioca";
    std::vector<std::string_view> operands;
    for (bool more = true; more;) {
        const option_words given = getopt_words(rest, table);
        for (const option_word& word : given.words)
            take(command, all, word);
        if (!given.error.empty())
            throw early_exit{2, given.error + "\nTry 'tapioca --help'.\n", false};
        more = !given.ended && !given.operands.empty();
        const auto count = more ? 1 : given.operands.size();
        for (const char* operand : given.operands.first(count))
            operands.emplace_back(operand);
        if (more)
            rest.erase(rest.begin() + 1, rest.end() - static_cast<std::ptrdiff_t>(given.operands.size() - 1));
    }
    return operands;
}

/// The first operand, if it has what no process id and no name of an instance has.
flow_expression filter_of(std::span<const std::string_view> operands, std::size_t& next)
{
    if (next == operands.size() || operands[next].find_first_of(" =<>!()") == std::string_view::npos)
        return {};
    const auto text = operands[next++];
    try {
        return flow_expression::parse(text);
    } catch (const expression_error& wrong) {
        misused("the filter '" + std::string{text} + "' makes no sense: " + wrong.what());
    }
}

/// Whatever is no number is a name, if it is one word.
void take_instance(tapioca_command& command, std::string_view text)
{
    if (command.path)
        misused("an instance is named by an operand, or by --control");
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (text.empty() || text.find(' ') != text.npos || (error == std::errc{} && end == text.data() + text.size() && pid <= 0))
        misused("'" + std::string{text} + "' is neither a process id nor a name");
    if (error == std::errc{} && end == text.data() + text.size())
        command.pid = pid;
    else
        command.name = text;
}

bool takes(const subcommand& what, std::string_view option)
{
    return (std::string{' '}.append(what.options)).find(std::string{' '}.append(option) + ' ') != std::string::npos;
}

} // namespace

std::span<const option_entry> tapioca_options() noexcept { return table; }

tapioca_command parse_tapioca_command(std::span<const char* const> argv)
{
    tapioca_command command;
    given_options given;
    const auto operands = take_options(command, given, argv);
    if (operands.empty())
        misused("a command is needed");
    const auto known = std::ranges::find(subcommands(), operands[0], &subcommand::name);
    if (known == subcommands().end())
        misused("there is no command '" + std::string{operands[0]} + '\'');
    command.what = &*known;
    for (const auto option : given)
        if (!takes(*command.what, option))
            misused(std::string{command.what->name} + " does not take --" + std::string{option});
    auto left = std::span<const std::string_view>{operands}.subspan(1);
    if (takes(*command.what, "owner"))
        if (const auto why = take_rule_action(command.rules, left))
            misused(*why);
    if (command.what->run == run_policy)
        if (const auto why = take_policy_action(command.policy, left))
            misused(*why);
    std::size_t next = 0;
    if (!command.what->operand.empty()) {
        if (next == left.size())
            misused(std::string{command.what->name} + " needs the operand " + std::string{command.what->operand});
        command.operand = left[next++];
    }
    if (takes(*command.what, "info"))
        command.filter = filter_of(left, next);
    if (next < left.size() && takes(*command.what, "control"))
        take_instance(command, left[next++]);
    if (next < left.size())
        misused("'" + std::string{left[next]} + "' is one operand too many");
    return command;
}

} // namespace tapioca::client
