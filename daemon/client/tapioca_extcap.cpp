#include "daemon/client/tapioca_extcap.hpp"

#include "daemon/client/filter_compiler.hpp"
#include "daemon/client/tapioca_capture.hpp"
#include "daemon/client/tapioca_capture_files.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace tapioca::client {
namespace {

constexpr std::string_view interface_prefix = "tapioca-";
constexpr std::uint32_t every_octet = 262144;

/// Words with two dashes, each with what stands behind '=' or in the next word.
std::map<std::string, std::string> options_in(std::span<const char* const> argv)
{
    std::map<std::string, std::string> options;
    for (std::size_t i = 1; i < argv.size(); ++i) {
        const std::string word{argv[i]};
        if (!word.starts_with("--"))
            continue;
        if (const auto equals = word.find('='); equals != std::string::npos)
            options[word.substr(2, equals - 2)] = word.substr(equals + 1);
        else
            options[word.substr(2)] = i + 1 < argv.size() && !std::string_view{argv[i + 1]}.starts_with("--") ? argv[i + 1] : "";
    }
    return options;
}

/// In an extcap's sentence braces and newlines mean something.
std::string plain(std::string text)
{
    std::ranges::replace_if(
        text, [](char c) { return c == '{' || c == '}' || c == '\n'; }, ' ');
    return text;
}

std::string text_in(const boost::json::object& info, const char* name)
{
    const auto* value = info.if_contains(name);
    return value != nullptr && value->is_string() ? boost::json::value_to<std::string>(*value) : "";
}

void print_interfaces()
{
    std::printf("extcap {version=%s}{display=tapioca}\n", TAPIOCA_VERSION);
    for (const auto& one : find_instances()) {
        std::string shown;
        try {
            const auto info = control_connection{one}.call("GetInfo");
            const auto network = text_in(info, "namespace");
            shown = text_in(info, "mode") + ' ' + std::to_string(one.pid) + (network.empty() ? "" : ", network " + network);
            if (text_in(info, "control_path").empty())
                shown += " (cannot be captured: it was started without --control PATH)";
        } catch (const control_failure&) {
            continue; // it ends just now
        }
        std::printf("interface {value=%.*s%d}{display=%s}\n", static_cast<int>(interface_prefix.size()), interface_prefix.data(),
                    static_cast<int>(one.pid), plain(shown).c_str());
    }
}

void print_configuration()
{
    std::puts(
        "arg {number=0}{call=--drops}{display=Dropped frames only}{tooltip=Each has the reason as a comment}{type=boolflag}\n"
        "arg {number=1}{call=--snaplen}{display=Octets of each frame}{type=unsigned}{range=1,262144}{default=262144}\n"
        "arg {number=2}{call=--direction}{display=Direction}{type=selector}\n"
        "value {arg=2}{value=}{display=Both}{default=true}\n"
        "value {arg=2}{value=in}{display=From the guest}{default=false}\n"
        "value {arg=2}{value=out}{display=To the guest}{default=false}");
}

pid_t pid_of(std::string_view interface)
{
    pid_t pid = 0;
    if (interface.starts_with(interface_prefix))
        (void)std::from_chars(interface.data() + interface_prefix.size(), interface.data() + interface.size(), pid);
    if (pid <= 0)
        throw control_failure("there is no interface '" + std::string{interface} + '\'');
    return pid;
}

int capture_into_fifo(std::map<std::string, std::string>& options)
{
    capture_wishes wishes;
    const auto snapshot = std::strtoul(options["snaplen"].c_str(), nullptr, 10);
    wishes.snapshot = snapshot == 0 || snapshot > every_octet ? every_octet : static_cast<std::uint32_t>(snapshot);
    wishes.filter = compile_filter(options["extcap-capture-filter"], wishes.snapshot);
    wishes.drops_only = options.contains("drops") && options["drops"] != "false";
    wishes.direction = options["direction"];
    control_connection server{changing_path(pid_of(options["extcap-interface"]))};
    capture_files fifo{options["fifo"], 0, 0};
    bool begun = false;
    const auto take = [&](bytes_view message) {
        if (begun)
            return fifo.write(message);
        fifo.begin(message);
        return begun = true;
    };
    capture(server, wishes, take, [] {});
    return EXIT_SUCCESS;
}

} // namespace

bool is_extcap(std::span<const char* const> argv)
{
    const std::string_view name{argv.empty() ? "" : argv.front()};
    return name.substr(name.rfind('/') + 1) == "tapioca-extcap";
}

int run_extcap(std::span<const char* const> argv)
{
    auto options = options_in(argv);
    if (options.contains("extcap-interfaces"))
        print_interfaces();
    else if (options.contains("extcap-dlts"))
        std::puts("dlt {number=1}{name=EN10MB}{display=Ethernet}");
    else if (options.contains("extcap-config"))
        print_configuration();
    else if (options.contains("capture"))
        return capture_into_fifo(options);
    else if (options.contains("extcap-capture-filter"))
        (void)compile_filter(options["extcap-capture-filter"], every_octet); // it is asked whether it makes sense
    else
        std::puts("This is for Wireshark, which finds instances of passt and pasta by it. See tapioca-capture(1).");
    return EXIT_SUCCESS;
}

} // namespace tapioca::client
