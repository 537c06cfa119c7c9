#include "daemon/control/rule_listing.hpp"

#include "daemon/config/port_refusal.hpp"
#include "proto/wire/protocol.hpp"

#include <map>
#include <system_error>

namespace tapioca {

namespace json = boost::json;

namespace {

constexpr std::size_t most_ranges = 16;

std::size_t count_of(std::span<const port_range> ports) noexcept
{
    std::size_t count = 0;
    for (const auto& range : ports)
        count += range.last - range.first + 1U;
    return count;
}

json::object ports_of(std::span<const port_range> ports)
{
    return {{"count", count_of(ports)}, {"ports", text_of(ports, most_ranges)}};
}

/// By reason: there are few.
json::array missing_of(std::span<const refused_ports> refused)
{
    std::map<int, std::vector<port_range>> by_error;
    for (const auto& ports : refused)
        by_error[ports.error].push_back({ports.first, ports.last});
    json::array all;
    for (const auto& [error, ports] : by_error) {
        auto missing = ports_of(ports);
        missing["why"] = std::generic_category().message(error);
        all.push_back(std::move(missing));
    }
    return all;
}

} // namespace

std::string text_of(std::span<const port_range> ports, std::size_t most)
{
    std::string text;
    for (const auto& range : ports.first(std::min(most, ports.size()))) {
        text += (text.empty() ? "" : ",") + std::to_string(range.first);
        if (range.last != range.first)
            text += '-' + std::to_string(range.last);
    }
    return ports.size() > most ? text + ",..." : text;
}

json::object shown(const rules_in_force& rules, const known_rule& rule)
{
    const auto counted = rules.counted(rule.side, rule.slot);
    return {{"id", rule.id},
            {"side", rule.side == rule_side::host ? "host" : "guest"},
            {"protocol", rule.rule.protocol == wire::protocol_tcp ? "tcp" : "udp"},
            {"text", to_text(rule.rule)},
            {"owner", rule.owner},
            {"bound", ports_of(rules.bound_ports_of(rule))},
            {"missing", missing_of(rules.record_of(rule.side, rule.slot).refused)},
            {"flows", counted.flows},
            {"octets_to_guest", counted.octets_to_guest},
            {"octets_from_guest", counted.octets_from_guest}};
}

json::array shown(const rules_in_force& rules, std::span<const known_rule> some)
{
    json::array all;
    for (const auto& rule : some)
        all.push_back(shown(rules, rule));
    return all;
}

} // namespace tapioca
