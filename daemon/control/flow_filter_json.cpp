// The filter that a client gives to ListFlows.

#include "daemon/config/address_text.hpp"
#include "daemon/control/flow_json.hpp"

namespace tapioca {

namespace json = boost::json;

namespace {

// Each function takes a member into the filter; false: it makes no sense.

template <class Value, class NameOf>
bool take_name(const json::value& from, std::optional<Value>& into, std::size_t count, NameOf name_of)
{
    for (std::size_t i = 0; from.is_string() && i < count && !into; ++i)
        if (from.get_string() == name_of(static_cast<Value>(i)))
            into = static_cast<Value>(i);
    return into.has_value();
}

bool take_number(const json::value& from, std::optional<std::uint16_t>& into)
{
    const auto* number = from.if_int64();
    if (number == nullptr || *number < 0 || *number > 65535)
        return false;
    into = static_cast<std::uint16_t>(*number);
    return true;
}

/// ADDRESS or ADDRESS/LENGTH.
bool take_prefix(const json::value& from, std::optional<prefix>& into)
{
    const auto* text = from.if_string();
    into = text == nullptr ? std::nullopt : parse_prefix(std::string_view{*text});
    return into.has_value();
}

/// Kinds stay of which `name_of` gives that name.
template <class NameOf>
bool take_kinds(const json::value& from, std::uint8_t& kinds, NameOf name_of)
{
    bool known = false;
    for (unsigned i = 0; from.is_string() && i < flow_kinds; ++i)
        if (from.get_string() == name_of(static_cast<flow_kind>(i)))
            known = true;
        else
            kinds &= static_cast<std::uint8_t>(~(1U << i));
    return known;
}

bool take_member(std::string_view name, const json::value& from, flow_filter& f)
{
    if (name == "protocol")
        return take_kinds(from, f.kinds, protocol_of);
    if (name == "way")
        return take_kinds(from, f.kinds, way_name);
    if (name == "origin")
        return take_name<flow_origin>(from, f.origin, 2, [](flow_origin o) { return name_of(o); });
    if (name == "state")
        return take_name<flow_state>(from, f.state, flow_state_names.size(), [](flow_state s) { return name_of(s); });
    if (name == "guest_port" || name == "remote_port")
        return take_number(from, name == "guest_port" ? f.guest.port : f.remote.port);
    if (name == "guest_address" || name == "remote_address")
        return take_prefix(from, name == "guest_address" ? f.guest.address : f.remote.address);
    return false;
}

} // namespace

asked_filter filter_from(const json::object& text)
{
    asked_filter asked;
    for (const auto& [name, value] : text) {
        const auto* id = value.if_int64();
        if (name == "rule" && id != nullptr && *id > 0)
            asked.rule = static_cast<std::uint64_t>(*id);
        else if (!value.is_null() && !take_member(name, value, asked.wanted))
            return {{}, {}, std::string{name}};
    }
    return asked;
}

void ask_for_rule(flow_filter& wanted, const rules_in_force& rules, const plane_config& config, std::uint64_t id)
{
    for (const auto origin : {flow_origin::peer, flow_origin::guest})
        for (std::uint16_t slot = 0; slot < (origin == flow_origin::peer ? config.host_rules : config.guest_rules).size(); ++slot)
            if (rule_id(rules, origin, slot) == id && wanted.origin.value_or(origin) == origin) {
                wanted.origin = origin;
                wanted.rule = slot;
                return;
            }
    wanted.kinds = 0;
}

} // namespace tapioca
