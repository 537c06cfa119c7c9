// tapioca flows: what is being translated.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

/// The instance has left out what it could.
void leave_what_fits(json::object& reply, const flow_expression& filter)
{
    auto* flows = reply.if_contains("flows");
    if (filter.is_empty() || flows == nullptr || !flows->is_array())
        return;
    json::array left;
    for (auto& flow : flows->get_array())
        if (const auto facts = flow.is_object() ? facts_of(flow.get_object()) : std::nullopt; facts && filter.fits(*facts))
            left.push_back(std::move(flow));
    *flows = std::move(left);
}

} // namespace

int run_flows(const tapioca_command& command)
{
    const auto ask = [&](control_connection& server) {
        std::vector<json::object> replies;
        server.call("ListFlows", {{"filter", command.filter.filter()}, {"details", command.info}},
                    [&](const json::object& reply) {
                        replies.push_back(reply);
                        leave_what_fits(replies.back(), command.filter);
                    });
        return replies;
    };
    return show(command, ask,
                [&](const std::vector<said>& all, std::size_t width) { return show_flows(all, width, command.info); });
}

} // namespace tapioca::client
