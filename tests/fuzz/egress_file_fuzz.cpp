// An egress policy as a file: whatever stands in it, there is a policy or an error, findings are single lines of printable text,
// and what is understood is understood again when it is written out.
#include "daemon/policy/compile_policy.hpp"
#include "daemon/policy/policy_check.hpp"
#include "daemon/policy/policy_json.hpp"
#include "daemon/policy/policy_narrowing.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

namespace {

void check_finding(const policy_finding& finding)
{
    const auto line = to_text(finding);
    for (const char c : line)
        FUZZ_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    FUZZ_CHECK(!finding.what.empty() && !finding.cure.empty());
    FUZZ_CHECK(line.size() < 4096);
}

/// A name rule has a name that DNS can have, and each rule means the same again.
void check_rule(const written_rule& rule)
{
    if (const auto* name = std::get_if<name_pattern>(&rule.target.host)) {
        FUZZ_CHECK(!name->name.empty() && name->name.size() <= 253 && !name->name.starts_with('.') && !name->name.ends_with('.'));
        for (const char c : name->name)
            FUZZ_CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
    }
    auto again = parse_target(to_text(rule.target), name_libraries::stay_out);
    FUZZ_CHECK(std::holds_alternative<egress_target>(again));
    auto& target = std::get<egress_target>(again);
    target.private_addresses = rule.target.private_addresses;
    FUZZ_CHECK(target == rule.target);
    FUZZ_CHECK(covers(target, rule.target) && may_meet(target, rule.target));
    FUZZ_CHECK(!services_of(target).empty());
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    policy_findings findings;
    const auto written = read_policy(text, "p", findings, name_libraries::stay_out);
    for (const auto& rule : written.rules)
        check_rule(rule);
    if (!findings.has_errors()) {
        FUZZ_CHECK(!what_is_wider(written, written));
        check_policy(written, findings, name_libraries::stay_out);
    }
    if (!findings.has_errors()) {
        const auto policy = compile_policy(written, findings);
        FUZZ_CHECK(findings.has_errors() || policy.rules.size() == written.rules.size());
        FUZZ_CHECK(to_json(policy).at("rules").as_array().size() == policy.rules.size());
        (void)judge(policy, {}, 6, {ip_address::v4(192, 0, 2, 1), 80}, instant{});
        (void)judge_name(policy, "a.example");
    }
    FUZZ_CHECK(findings.all().size() <= policy_findings::most + 1);
    for (const auto& finding : findings.all())
        check_finding(finding);
    return 0;
}
