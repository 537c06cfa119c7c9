#include "daemon/control/capture_calls.hpp"
#include "daemon/control/flow_json.hpp"
#include "daemon/control/rule_calls.hpp"
#include "daemon/control/varlink_message.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

namespace {

/// A change of rules is rules that can stand beside each other, or a reason in one line.
void check_rule_change(rule_change_request::kind what, const boost::json::object& parameters)
{
    const auto parsed = parse_rule_change(what, parameters);
    const auto* request = std::get_if<rule_change_request>(&parsed);
    if (request == nullptr)
        return;
    FUZZ_CHECK(!request->id || request->specs.empty());
    const spec_limits limits{.context = {}, .has_guest_side = true};
    const auto rules = rules_of(request->specs, limits);
    if (const auto* refused = std::get_if<refused_rule>(&rules)) {
        FUZZ_CHECK(!refused->rule.empty() && !refused->why.empty());
        return;
    }
    const auto& made = std::get<both_rules>(rules);
    const auto again = with_added({}, made, limits.context.enabled);
    FUZZ_CHECK(std::holds_alternative<both_rules>(again));
    FUZZ_CHECK(std::get<both_rules>(again).host.size() == made.host.size());
}

} // namespace

/// Whatever a client says is a call or none; said again it is the same method, a filter is one or has a member that is wrong, and
/// a flow's name has one form.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view message{reinterpret_cast<const char*>(data), size};
    if (const auto made = varlink::parse_call(message)) {
        const auto again = varlink::parse_call(boost::json::serialize(
            boost::json::object{{"method", made->method}, {"parameters", made->parameters}, {"more", made->more}}));
        FUZZ_CHECK(!again || (again->method == made->method && again->more == made->more));
        const auto wanted = parse_capture(made->parameters);
        FUZZ_CHECK(!wanted.wrong.empty() || wanted.wishes.filter.empty() || bpf::is_valid(wanted.wishes.filter));
        FUZZ_CHECK(wanted.wishes.snapshot != 0 && wanted.wishes.snapshot <= capture_session::most_kept);
        const auto asked = filter_from(made->parameters);
        FUZZ_CHECK(asked.wrong.empty() || made->parameters.contains(asked.wrong));
        std::string out;
        varlink::put_reply(out, made->parameters);
        FUZZ_CHECK(out.find('\0') == out.size() - 1);
        for (const auto what :
             {rule_change_request::kind::add, rule_change_request::kind::remove, rule_change_request::kind::replace})
            check_rule_change(what, made->parameters);
    }
    if (const auto name = parse_flow_name(message)) {
        const auto again = parse_flow_name(to_text(*name));
        FUZZ_CHECK(again && again->worker == name->worker && again->kind == name->kind && again->id == name->id);
    }
    return 0;
}
