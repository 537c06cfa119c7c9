#include "daemon/control/destination_calls.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/control/flow_json.hpp"
#include "daemon/policy/domain_name.hpp"
#include "daemon/policy/egress_target.hpp"
#include "daemon/policy/policy_words.hpp"
#include "proto/base/drop_words.hpp"
#include "proto/wire/protocol.hpp"

#include <array>

namespace tapioca {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_text = 1024;
constexpr std::uint16_t any_guest_port = 49152; ///< the guest's own port decides nothing

std::string_view text_in(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view{value->get_string()} : std::string_view{};
}

std::optional<std::uint16_t> port_in(const json::object& from)
{
    const auto* value = from.if_contains("port");
    if (value == nullptr || value->is_null())
        return 0;
    if (!value->is_int64() || value->get_int64() < 1 || value->get_int64() > UINT16_MAX)
        return std::nullopt;
    return static_cast<std::uint16_t>(value->get_int64());
}

/// As the guest would open it.
flow_key key_of(const plane_config& config, const destination_question& asked, const ip_address& to)
{
    const bool echo = asked.port == 0;
    return {.guest = to.is_v4() ? config.net.address4.address : config.net.address6,
            .remote = to,
            .guest_port = any_guest_port,
            .remote_port = echo ? std::uint16_t{0} : asked.port,
            .protocol = echo ? (to.is_v4() ? wire::protocol_icmp : wire::protocol_icmpv6) : asked.protocol};
}

json::array classes_in(class_set classes)
{
    json::array names;
    for (std::size_t i = 0; i < static_cast<std::size_t>(address_class::count_); ++i)
        if (const auto c = static_cast<address_class>(i); classes.has(c))
            names.emplace_back(word_of(c));
    return names;
}

/// Empty if it has been forgotten.
std::string name_with(const name_register* names, std::uint32_t number)
{
    const auto found = names == nullptr || number == 0 ? std::vector<known_name>{} : names->names_behind(number - 1, 1);
    return found.empty() || found.front().number != number ? std::string{} : found.front().name;
}

std::vector<ip_address> addresses_of(const name_register* names, const std::string& name)
{
    std::vector<ip_address> addresses;
    for (const auto& known : names == nullptr ? std::vector<known_name>{} : names->names_behind(0, SIZE_MAX))
        if (known.name == name)
            for (const auto& place : known.addresses)
                addresses.push_back(place.address);
    return addresses;
}

constexpr std::string_view name_of(egress_ground ground) noexcept
{
    constexpr std::array<std::string_view, 8> names = {"nobody",   "rule",         "name",       "profile",
                                                       "resolver", "around_names", "around_tls", "server_name"};
    return names[static_cast<std::size_t>(ground)];
}

json::object explain_address(const egress_in_force& policies, const destination_question& asked, const ip_address& to,
                             instant now)
{
    const auto& config = policies.workers().config();
    json::object told{{"address", to_text(to)}};
    const auto opening = decide_outbound(config, key_of(config, asked, to), now);
    if (!opening) {
        told["verdict"] = "impossible";
        told["words"] = words_of(opening.why());
        return told;
    }
    const auto& verdict = opening->verdict;
    const bool by_name = verdict.ground == egress_ground::name;
    told["judged"] = endpoint_json(opening->to);
    told["verdict"] = verdict.says == egress_action::allow ? "allow" : "deny";
    told["passes"] = verdict.passes;
    told["ground"] = name_of(verdict.ground);
    if (config.places)
        told["classes"] = classes_in(classes_of(*config.places, opening->to.address));
    if (by_name || verdict.ground == egress_ground::rule)
        if (auto rule = rule_json(policies.now(), verdict.rule))
            told["rule"] = std::move(*rule);
    if (const auto name = by_name ? name_with(policies.names().known, verdict.name) : std::string{}; !name.empty())
        told["name"] = name;
    return told;
}

json::object explain_name(const egress_policy& policy, const std::string& name)
{
    const auto verdict = judge_name(policy, name);
    json::object told{{"name", name}, {"may_ask", verdict.may_ask}};
    if (verdict.rule)
        if (auto rule = rule_json(policy, *verdict.rule))
            told["rule"] = std::move(*rule);
    return told;
}

} // namespace

std::optional<json::object> rule_json(const egress_policy& policy, std::size_t number)
{
    if (number >= policy.rules.size())
        return std::nullopt;
    const auto& rule = policy.rules[number];
    return json::object{{"number", number},
                        {"action", rule.action == egress_action::allow ? "allow" : "deny"},
                        {"text", rule.text},
                        {"file", rule.file},
                        {"line", rule.line}};
}

std::variant<destination_question, std::string> parse_destination(const json::object& parameters)
{
    destination_question asked;
    const auto whom = text_in(parameters, "destination"), protocol = text_in(parameters, "protocol");
    const auto port = port_in(parameters);
    if (!port)
        return "port";
    const bool echo = protocol == "echo";
    if (protocol.empty() || protocol == "tcp")
        asked.protocol = wire::protocol_tcp;
    else if (protocol == "udp")
        asked.protocol = wire::protocol_udp;
    else if (!echo)
        return "protocol";
    if (echo != (*port == 0))
        return "port";
    asked.port = *port;
    if (whom.size() > longest_text)
        return "destination";
    if (const auto address = parse_ip(whom)) {
        asked.whom = *address;
        return asked;
    }
    auto name = parse_domain_name(whom, name_libraries::stay_out);
    if (!std::holds_alternative<std::string>(name))
        return "destination";
    asked.whom = std::move(std::get<std::string>(name));
    return asked;
}

json::object explain(const egress_in_force& policies, const destination_question& asked, instant now)
{
    json::object told{{"profile", word_of(policies.now().profile)}, {"mode", word_of(policies.now().mode)}};
    std::vector<ip_address> addresses;
    if (const auto* name = std::get_if<std::string>(&asked.whom)) {
        if (policies.now().has_names())
            told["asked"] = explain_name(policies.now(), *name);
        addresses = addresses_of(policies.names().known, *name);
    } else {
        addresses.push_back(std::get<ip_address>(asked.whom));
    }
    json::array answers;
    for (const auto& address : addresses)
        answers.push_back(explain_address(policies, asked, address, now));
    told["answers"] = std::move(answers);
    return told;
}

} // namespace tapioca
