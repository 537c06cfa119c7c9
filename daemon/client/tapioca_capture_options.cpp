#include "daemon/client/tapioca_capture_options.hpp"

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
constexpr std::uint64_t octets_in_unit = 1'000'000; ///< of --file-size, as tcpdump has it

constexpr option_entry table[] = {
    {"write", 'w', "FILE", everybody, group, built, nullptr,
     "Write pcapng to FILE, or for - to standard output, instead of a line for each frame"},
    {"snaplen", 's', "OCTETS", everybody, group, built, nullptr, "Keep so many octets of each frame (default: all)"},
    {"count", 'c', "N", everybody, group, built, nullptr, "End after N frames"},
    {"drops", 0, "", everybody, group, built, nullptr, "Only frames that are dropped, with the reason"},
    {"direction", 'Q', "WAY", everybody, group, built, nullptr, "Only frames from the guest (in), or to it (out)"},
    {"file-size", 'C', "SIZE", everybody, group, built, nullptr, "Begin another file after SIZE million octets"},
    {"files", 'W', "N", everybody, group, built, nullptr, "With --file-size: so many files; then the first is written again"},
    {"control", 0, "PATH", everybody, group, built, nullptr, "Ask the instance with the control socket at PATH"},
    {"help", 'h', "", everybody, group, built, nullptr, "Show this and exit"},
};

constexpr std::string_view synopsis = "Usage: tapioca capture [OPTION]... [PID] [FILTER]\n";

std::string help_text()
{
    std::string text{synopsis};
    text += R"(Captures what passes between a guest and its passt or pasta, which was started
with --control PATH, until it is interrupted. FILTER: pcap-filter(7).

Options:
)";
    for (const option_entry& entry : table)
        text += help_lines(entry);
    return text + R"(
Examples:
  tapioca capture 4711 udp port 67 or icmp6
      a line for each frame that is chosen
  tapioca capture --drops
      what the only instance drops, and why
  tapioca capture -w - 4711 | wireshark -k -i -
      all of it, in Wireshark
)";
}

[[noreturn]] void misused(const std::string& why)
{
    throw early_exit{2, "tapioca: " + why + '\n' + std::string{synopsis} + "Try 'tapioca capture --help'.\n", false};
}

bool is_number(std::string_view text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

template <class Number>
Number number_of(const option_word& word, Number most)
{
    Number number = 0;
    const auto [end, error] = std::from_chars(word.value.data(), word.value.data() + word.value.size(), number);
    if (error != std::errc{} || end != word.value.data() + word.value.size() || number == 0 || number > most)
        misused("--" + std::string{word.option->name} + ": '" + std::string{word.value} + "' is none of 1 to " +
                std::to_string(most));
    return number;
}

void take(capture_command& command, const option_word& word)
{
    const auto& name = word.option->name;
    if (name == "write")
        command.file = std::string{word.value};
    else if (name == "snaplen")
        command.snapshot = number_of<std::uint32_t>(word, 262144);
    else if (name == "count")
        command.count = number_of<std::uint64_t>(word, 1'000'000'000'000);
    else if (name == "drops")
        command.drops_only = true;
    else if (name == "direction")
        command.direction = word.value == "in" || word.value == "out" ? std::string{word.value}
                                                                      : (misused("--direction is in or out"), std::string{});
    else if (name == "file-size")
        command.file_octets = number_of<std::uint64_t>(word, 1'000'000) * octets_in_unit;
    else if (name == "files")
        command.files = number_of<std::uint32_t>(word, 1'000'000);
    else if (name == "control")
        command.path = word.value.empty() || word.value.size() > os::longest_socket_path
                           ? (misused("invalid socket path '" + std::string{word.value} + '\''), std::string{})
                           : std::string{word.value};
    else
        throw early_exit{0, help_text(), true};
}

/// What stands behind the options.
std::span<const char* const> take_options(capture_command& command, std::span<const char* const> argv)
{
    std::vector<const char*> named{argv.begin(), argv.end()};
    named.front() = "tapioca";
    const option_words given = getopt_words(named, table);
    for (const option_word& word : given.words)
        take(command, word);
    if (!given.error.empty())
        throw early_exit{2, given.error + "\nTry 'tapioca capture --help'.\n", false};
    return argv.last(given.operands.size());
}

} // namespace

std::span<const option_entry> capture_options() noexcept { return table; }

capture_command parse_capture_command(std::span<const char* const> argv)
{
    capture_command command;
    auto operands = take_options(command, argv);
    if (!operands.empty() && is_number(operands.front())) {
        const std::string_view text{operands.front()};
        pid_t pid = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), pid).ec != std::errc{} || pid == 0)
            misused("'" + std::string{text} + "' is no process id");
        command.pid = pid;
        operands = take_options(command, operands);
    }
    for (const std::string_view word : operands)
        command.filter += (command.filter.empty() ? "" : " ") + std::string{word};
    if (command.pid && command.path)
        misused("one instance is named by PID, and one by --control");
    if (command.file_octets != 0 && (!command.file || *command.file == "-"))
        misused("--file-size is about files: --write names them");
    if (command.files != 0 && command.file_octets == 0)
        misused("--files needs --file-size");
    return command;
}

} // namespace tapioca::client
