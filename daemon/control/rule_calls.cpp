#include "daemon/control/rule_calls.hpp"

#include "daemon/control/rule_listing.hpp"
#include "daemon/control/varlink_message.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>

namespace tapioca {

namespace json = boost::json;
using kind = rule_change_request::kind;

namespace {

constexpr std::string_view usual_owner = "control";
constexpr std::size_t longest_owner = 64, longest_ports = 4096, most_specs = 512;

const json::value* given(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<rule_spec> parse_spec(const json::value& value)
{
    const auto* object = value.if_object();
    if (object == nullptr)
        return std::nullopt;
    const auto text = [object](std::string_view name) {
        const auto* found = object->if_contains(name);
        return found != nullptr && found->is_string() ? std::string_view{found->get_string()} : std::string_view{};
    };
    const auto side = text("side"), protocol = text("protocol"), ports = text("ports");
    if ((side != "host" && side != "guest") || (protocol != "tcp" && protocol != "udp") || ports.empty() ||
        ports.size() > longest_ports)
        return std::nullopt;
    return rule_spec{side == "host" ? rule_side::host : rule_side::guest,
                     protocol == "tcp" ? wire::protocol_tcp : wire::protocol_udp, std::string{ports}};
}

bool take_specs(rule_change_request& into, const json::value& list)
{
    const auto* array = list.if_array();
    if (array == nullptr || array->size() > most_specs)
        return false;
    for (const auto& each : *array) {
        auto spec = parse_spec(each);
        if (!spec)
            return false;
        into.specs.push_back(std::move(*spec));
    }
    return true;
}

bool take_owner(rule_change_request& into, const json::value& value)
{
    if (!value.is_string())
        return false;
    into.owner = json::value_to<std::string>(value);
    const bool printable = std::ranges::none_of(into.owner, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
    return !into.owner.empty() && into.owner.size() <= longest_owner && printable;
}

class rule_change_call final : public running_call {
public:
    rule_change_call(rules_in_force& rules, rule_change_request request) : rules_(rules), request_(std::move(request)) {}

    state look(std::string& out) override
    {
        if (applied_) { // or at least begun
            if (!*applied_)
                return state::goes_on;
            put_done(out);
            return state::done;
        }
        if (rules_.is_changing())
            return state::goes_on;
        const auto wanted = work_out();
        const auto* next = std::get_if<both_rules>(&wanted);
        if (next == nullptr) {
            put_refusal(out, wanted);
            return state::done;
        }
        auto applied = std::make_shared<bool>(false);
        if (const auto why = rules_.exchange(*next, owner(), [applied] { *applied = true; })) {
            put_refusal(out, *why);
            return state::done;
        }
        applied_ = std::move(applied);
        return state::goes_on;
    }

private:
    [[nodiscard]] std::string_view owner() const { return request_.owner.empty() ? usual_owner : request_.owner; }

    wanted_rules work_out()
    {
        const auto known = rules_.known();
        const auto& enabled = rules_.limits().context.enabled;
        if (request_.id)
            return without(known, *request_.id, request_.owner);
        auto rules = rules_of(request_.specs, rules_.limits());
        if (auto* refused = std::get_if<refused_rule>(&rules))
            return std::move(*refused);
        asked_ = std::get<both_rules>(rules);
        switch (request_.what) {
        case kind::add:
            return with_added(known, asked_, enabled);
        case kind::remove:
            return without(known, asked_, request_.owner);
        case kind::replace:
            break;
        }
        return with_replaced(known, asked_, request_.owner, enabled);
    }

    void put_done(std::string& out) const
    {
        if (request_.what == kind::remove)
            return varlink::put_reply(out, {});
        const auto known = rules_.known();
        std::vector<known_rule> asked;
        for (const auto side : {rule_side::host, rule_side::guest})
            for (const auto& rule : asked_.of(side))
                if (const auto* found = find_rule(known, side, rule))
                    asked.push_back(*found);
        varlink::put_reply(out, {{"rules", shown(rules_, asked)}});
    }

    static void put_refusal(std::string& out, const wanted_rules& why)
    {
        const auto put = [&out](const std::string& name, const json::object& parameters) {
            varlink::put_error(out, "io.github.tapioca.Control." + name, parameters);
        };
        if (const auto* refused = std::get_if<refused_rule>(&why))
            put("RuleRefused", {{"rule", refused->rule}, {"why", refused->why}});
        else if (const auto* missing = std::get_if<no_such_rule>(&why))
            put("NoSuchRule", {{"rule", missing->rule}});
        else if (const auto* other = std::get_if<rule_of_another>(&why))
            put("RuleOfAnother", {{"id", other->id}, {"owner", other->owner}});
    }

    rules_in_force& rules_;
    rule_change_request request_;
    both_rules asked_;
    std::shared_ptr<bool> applied_; ///< null: not begun
};

} // namespace

std::variant<rule_change_request, std::string> parse_rule_change(kind what, const json::object& parameters)
{
    rule_change_request request{.what = what, .specs = {}, .id = {}, .owner = {}};
    const auto *rule = given(parameters, "rule"), *rules = given(parameters, "rules"), *id = given(parameters, "id"),
               *owner = given(parameters, "owner");
    if (owner != nullptr && !take_owner(request, *owner))
        return "owner";
    if (id != nullptr && what == kind::remove) {
        if (!id->is_int64() || id->get_int64() <= 0 || rule != nullptr || rules != nullptr)
            return "id";
        request.id = static_cast<std::uint64_t>(id->get_int64());
        return request;
    }
    if (rule != nullptr && what != kind::replace) {
        auto spec = parse_spec(*rule);
        if (!spec || rules != nullptr)
            return "rule";
        request.specs.push_back(std::move(*spec));
        return request;
    }
    if (rules == nullptr || !take_specs(request, *rules))
        return rules == nullptr && what != kind::replace ? "rule" : "rules";
    return request;
}

std::unique_ptr<running_call> begin_rule_change(rules_in_force& rules, rule_change_request request)
{
    return std::make_unique<rule_change_call>(rules, std::move(request));
}

} // namespace tapioca
