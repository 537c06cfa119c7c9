// tapioca: shows what running instances of passt and pasta do, and ends their flows. Each instance is asked for itself; one that
// does not answer is named, and the others are shown.
#include "daemon/client/tapioca_command.hpp"
#include "daemon/client/tapioca_connection.hpp"
#include "daemon/client/tapioca_output.hpp"
#include "daemon/client/text_table.hpp"
#include "daemon/config/early_exit.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <system_error>

namespace tapioca::client {
namespace {

namespace json = boost::json;

void print(const std::string& text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        throw control_failure("couldn't write to standard output: " + std::generic_category().message(errno));
}

void complain(const std::string& text) { std::fprintf(stderr, "tapioca: %s\n", text.c_str()); }

std::vector<instance> wanted_instances(const tapioca_command& command)
{
    auto found = find_instances();
    if (command.pid)
        std::erase_if(found, [&](const instance& i) { return i.pid != *command.pid; });
    if (command.pid && found.empty())
        throw control_failure(
            "process " + std::to_string(*command.pid) +
            " is no instance of this user's that can be seen in this network namespace; 'tapioca ps' lists them");
    return found;
}

std::vector<json::object> ask(const tapioca_command& command, control_connection& server)
{
    std::vector<json::object> replies;
    switch (command.what) {
    case subcommand::flows:
        server.call("ListFlows", [&](const json::object& reply) { replies.push_back(reply); });
        break;
    case subcommand::rules:
        replies.push_back(server.call("ListRules"));
        break;
    case subcommand::metrics:
        replies.push_back(server.call("GetInfo"));
        replies.push_back(server.call("GetCounters"));
        break;
    case subcommand::drops:
        replies.push_back(server.call("GetCounters"));
        break;
    case subcommand::ps:
    case subcommand::end:
        replies.push_back(server.call("GetInfo"));
        break;
    }
    return replies;
}

std::string pid_of(control_connection& server)
{
    const auto info = server.call("GetInfo");
    const auto* pid = info.if_contains("pid");
    return pid != nullptr ? json::serialize(*pid) : "";
}

/// Meanwhile: it is not there any more.
bool has_ended(const instance& one)
{
    const auto there = find_instances();
    return std::ranges::find(there, one) == there.end();
}

/// Whether all have answered.
bool ask_all(const tapioca_command& command, std::vector<said>& all)
{
    if (command.path) {
        control_connection server{*command.path};
        const auto pid = pid_of(server);
        all.push_back({pid, ask(command, server)});
        return true;
    }
    bool whole = true;
    for (const auto& instance : wanted_instances(command)) {
        try {
            control_connection server{instance};
            all.push_back({std::to_string(instance.pid), ask(command, server)});
        } catch (const control_failure& failure) {
            if (!command.pid && has_ended(instance))
                continue;
            complain(failure.what());
            whole = false;
        }
    }
    return whole;
}

std::string as_json(const std::vector<said>& all)
{
    std::string lines;
    for (const auto& one : all)
        for (auto reply : one.replies) {
            reply["pid"] = std::atoi(one.pid.c_str());
            lines += json::serialize(reply) + '\n';
        }
    return lines;
}

std::string as_text(const tapioca_command& command, const std::vector<said>& all)
{
    const auto width = terminal_width();
    switch (command.what) {
    case subcommand::flows:
        return show_flows(all, width);
    case subcommand::drops:
        return show_drops(all, width);
    case subcommand::rules:
        return show_rules(all, width);
    case subcommand::metrics:
        return show_metrics(all);
    case subcommand::ps:
    case subcommand::end:
        break;
    }
    return show_instances(all, width);
}

/// By the socket that was named, or that the only instance has.
void end_flow(const tapioca_command& command)
{
    auto path = command.path;
    if (!path) {
        const auto found = wanted_instances(command);
        if (found.size() != 1)
            throw control_failure(found.empty() ? "there is no instance" : "there are several instances: name one by its PID");
        control_connection seen{found.front()};
        const auto info = seen.call("GetInfo");
        const auto* known = info.if_contains("control_path");
        if (known == nullptr || !known->is_string()) { // it says why not
            (void)seen.call("EndFlow", {{"id", command.flow}});
            return;
        }
        path = json::value_to<std::string>(*known);
    }
    control_connection server{*path};
    (void)server.call("EndFlow", {{"id", command.flow}});
}

int run(std::span<const char* const> argv)
{
    const auto command = parse_tapioca_command(argv);
    if (command.what == subcommand::end) {
        end_flow(command);
        return EXIT_SUCCESS;
    }
    std::vector<said> all;
    const bool whole = ask_all(command, all);
    print(command.json ? as_json(all) : as_text(command, all));
    return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace
} // namespace tapioca::client

int main(int argc, char** argv)
{
    try {
        return tapioca::client::run({argv, static_cast<std::size_t>(argc)});
    } catch (const tapioca::early_exit& early) {
        std::fputs(early.text.c_str(), early.to_stdout ? stdout : stderr);
        return early.status;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "tapioca: %s\n", failure.what());
    }
    return EXIT_FAILURE;
}
