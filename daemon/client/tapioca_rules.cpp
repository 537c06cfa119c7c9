// tapioca rules: which ports are forwarded, and changes of that.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/client/text_table.hpp"

#include <cstdlib>

namespace tapioca::client {
namespace {

/// What is shown afterwards: the rules that were added, or stand for others.
int change_rules(const tapioca_command& command)
{
    auto server = connect_to_change(command);
    const auto call = call_of(command.rules);
    const auto reply = server.call(call.method, call.parameters);
    if (command.rules.what == rule_change::action::remove)
        return EXIT_SUCCESS;
    const std::vector<said> all{{pid_of(server), {reply}}};
    print(command.json ? json_lines(all) : show_rules(all, terminal_width()));
    return EXIT_SUCCESS;
}

} // namespace

int run_rules(const tapioca_command& command)
{
    if (command.rules.what != rule_change::action::none)
        return change_rules(command);
    const auto ask = [](control_connection& server) { return std::vector{server.call("ListRules")}; };
    return show(command, ask, show_rules);
}

} // namespace tapioca::client
