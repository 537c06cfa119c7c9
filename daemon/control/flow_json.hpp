// Flows as they are told to clients.
#pragma once

#include "daemon/control/flow_name.hpp"
#include "daemon/control/rules_in_force.hpp"
#include "daemon/loop/flow_listing.hpp"

#include <boost/json.hpp>

#include <string>

namespace tapioca {

/// {"address": "192.0.2.1", "port": 80}
[[nodiscard]] boost::json::object endpoint_json(const endpoint& e);

/// What lists and events have in common: id, protocol, way, origin, both endpoints as the guest sees them, and the rule's id.
[[nodiscard]] boost::json::object flow_json(const flow_name& name, const flow_key& key, flow_origin origin,
                                            std::optional<std::uint64_t> rule);
/// Likewise, as text behind `out`, with all else that is known of a flow that there is. `policy`: that is in force; null: none.
void put_flow(std::string& out, std::size_t worker, const listed_flow& f, std::optional<std::uint64_t> rule,
              const egress_policy* policy = nullptr);

/// The id of the rule in a slot; nothing if the flow came through none.
[[nodiscard]] std::optional<std::uint64_t> rule_id(const rules_in_force& rules, flow_origin origin, std::uint16_t slot);

/// Their names, as clients give and are given them.
[[nodiscard]] constexpr std::string_view protocol_of(flow_kind kind) noexcept
{
    constexpr std::array<std::string_view, flow_kinds> names = {"tcp", "udp", "echo", "tcp", "udp"};
    return names[static_cast<std::size_t>(kind)];
}
[[nodiscard]] constexpr std::string_view way_name(flow_kind kind) noexcept { return crosses_tap(kind) ? "tap" : "bypass"; }
[[nodiscard]] constexpr std::string_view name_of(flow_origin origin) noexcept
{
    return origin == flow_origin::peer ? "peer" : "guest";
}

/// What a client asks for; or the member that makes no sense. Members that are missing or null ask for nothing.
struct asked_filter {
    flow_filter wanted;
    std::optional<std::uint64_t> rule; ///< its id
    std::string wrong;
};
[[nodiscard]] asked_filter filter_from(const boost::json::object& text);
/// And that they came through the rule with that id; nothing fits if there is none.
void ask_for_rule(flow_filter& wanted, const rules_in_force& rules, const plane_config& config, std::uint64_t id);

} // namespace tapioca
