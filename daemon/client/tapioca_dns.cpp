// tapioca dns: names that the guest has asked for, and the addresses that it may reach by them.
#include "daemon/client/json_text.hpp"
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/client/text_table.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

std::string show_names(const std::vector<said>& all, std::size_t width)
{
    text_table table{{"PID", "NAME", "ADDRESS", "SECONDS"}};
    for (const auto& one : all)
        for (const auto& reply : one.replies)
            for (const auto* name : objects_in(reply, "names"))
                for (const auto* place : objects_in(*name, "addresses"))
                    table.add({one.pid, text_in(*name, "name"), text_in(*place, "address"), text_in(*place, "seconds")});
    return table.text(width);
}

} // namespace

int run_dns(const tapioca_command& command)
{
    const auto ask = [](control_connection& server) {
        std::vector<json::object> replies;
        server.call("ListNames", {}, [&](const json::object& reply) { replies.push_back(reply); });
        return replies;
    };
    return show(command, ask, show_names);
}

} // namespace tapioca::client
