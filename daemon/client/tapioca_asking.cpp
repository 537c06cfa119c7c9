#include "daemon/client/tapioca_asking.hpp"

#include "daemon/client/tapioca_names.hpp"
#include "daemon/client/text_table.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace tapioca::client {

namespace json = boost::json;

namespace {

/// Meanwhile: it is not there any more.
bool has_ended(const instance& one)
{
    const auto there = find_instances();
    return std::ranges::find(there, one) == there.end();
}

bool is_called(const instance& one, const std::string& name)
{
    try {
        control_connection server{one};
        const auto names = names_of(server);
        return std::ranges::find(names, name) != names.end();
    } catch (const control_failure&) { // nobody knows what it is called
        return false;
    }
}

} // namespace

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
    if (!command.name.empty()) {
        std::erase_if(found, [&](const instance& i) { return !is_called(i, command.name); });
        if (found.empty())
            throw control_failure("no instance serves a namespace, a machine or a socket that is called " + command.name +
                                  "; 'tapioca ps' lists them");
    }
    if (command.pid && found.empty())
        throw control_failure(
            "process " + std::to_string(*command.pid) +
            " is no instance of this user's that can be seen in this network namespace; 'tapioca ps' lists them");
    return found;
}

control_connection connect_to_change(const tapioca_command& command)
{
    if (command.path)
        return control_connection{*command.path};
    const auto found = wanted_instances(command);
    if (found.size() != 1)
        throw control_failure(found.empty() ? "there is no instance" : "there are several instances: name one by its PID");
    control_connection seen{found.front()};
    const auto info = seen.call("GetInfo");
    const auto* known = info.if_contains("control_path");
    return known != nullptr && known->is_string() ? control_connection{json::value_to<std::string>(*known)} : std::move(seen);
}

std::string pid_of(control_connection& server)
{
    const auto info = server.call("GetInfo");
    const auto* pid = info.if_contains("pid");
    return pid != nullptr ? json::serialize(*pid) : "";
}

answers ask_instances(const tapioca_command& command, const question& ask, std::chrono::seconds patience)
{
    answers given;
    if (command.path) {
        control_connection server{*command.path, patience};
        const auto pid = pid_of(server);
        given.all.push_back({pid, ask(server)});
        return given;
    }
    for (const auto& instance : wanted_instances(command)) {
        try {
            control_connection server{instance, patience};
            given.all.push_back({std::to_string(instance.pid), ask(server)});
        } catch (const control_failure& failure) {
            if (!command.pid && has_ended(instance))
                continue;
            complain(failure.what());
            given.whole = false;
        }
    }
    return given;
}

std::string json_lines(const std::vector<said>& all)
{
    std::string lines;
    for (const auto& one : all)
        for (auto reply : one.replies) {
            reply["pid"] = std::atoi(one.pid.c_str());
            lines += json::serialize(reply) + '\n';
        }
    return lines;
}

int show(const tapioca_command& command, const question& ask, const shown_text& text)
{
    const auto given = ask_instances(command, ask);
    print(command.json ? json_lines(given.all) : text(given.all, terminal_width()));
    return given.whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace tapioca::client
