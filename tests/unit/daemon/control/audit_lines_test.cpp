// What the audit log says: a line for each beginning, refusal and end, joined, complete, and summed up where it repeats itself.
#include "daemon/control/audit_lines.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <boost/json.hpp>

using namespace tapioca;
using namespace std::chrono_literals;
namespace json = boost::json;
using report::audit_event;
using report::audit_record;

namespace {

constexpr duration clock_offset = std::chrono::seconds{1'700'000'000};
constexpr endpoint server{ip_address::v4(198, 51, 100, 7), 443};
constexpr flow_key key{ip_address::v4(10, 0, 0, 5), ip_address::v4(198, 51, 100, 7), 40000, 443, wire::protocol_tcp};

audit_record opening(std::uint64_t number, instant when = instant{1s})
{
    return {.head = flow_head{.key = key}, .id = flow_id{5}, .when = when, .number = number, .to = server};
}

audit_record ending(std::uint64_t number, instant when = instant{3500ms})
{
    return {.what = audit_event::ended,
            .why = end_reason::reset_by_peer,
            .when = when,
            .number = number,
            .octets = flow_octets{12, 3456}};
}

audit_record refusal(const flow_key& k = key)
{
    return {.what = audit_event::refused,
            .head = flow_head{.key = k},
            .when = instant{1s},
            .to = server,
            .verdict = {.says = egress_action::deny, .passes = false, .ground = egress_ground::profile}};
}

struct log_under_test {
    log_under_test()
    {
        lines.find_names_by([](std::uint32_t number) { return number == 9 ? std::string{"www.example.org"} : std::string{}; });
    }
    audit_lines lines;
    std::string out;

    void take(const audit_record& record, std::size_t worker = 0) { lines.take(worker, record, clock_offset, out); }
    std::vector<json::object> said()
    {
        std::vector<json::object> all;
        for (std::size_t at = 0; at < out.size();) {
            const auto end = out.find('\n', at);
            REQUIRE(end != std::string::npos);
            all.push_back(json::parse(out.substr(at, end - at)).as_object());
            at = end + 1;
        }
        out.clear();
        return all;
    }
};

std::shared_ptr<egress_policy> policy_with(std::string text)
{
    auto policy = std::make_shared<egress_policy>();
    policy->profile = egress_profile::no_lan;
    policy->rules.push_back({egress_action::allow, "other", "a.toml", 1});
    policy->rules.push_back({egress_action::allow, std::move(text), "dir/\"b\".toml", 7});
    return policy;
}

} // namespace

TEST_CASE("a flow has a line when it begins and one when it ends, which repeats what was said")
{
    log_under_test log;
    log.take(opening(1), 2);
    CHECK(log.lines.open_flows() == 1);
    log.take(ending(1), 2);
    CHECK(log.lines.open_flows() == 0);
    const auto said = log.said();
    REQUIRE(said.size() == 2);
    CHECK(said[0].at("time") == "2023-11-14T22:13:21.000Z");
    CHECK(said[1].at("time") == "2023-11-14T22:13:23.500Z");
    CHECK((said[0].at("event") == "opened" && said[1].at("event") == "ended"));
    for (const auto& line : said) {
        CHECK((line.at("flow") == "2.tcp.5.0" && line.at("protocol") == "tcp" && line.at("way") == "tap"));
        CHECK(line.at("origin") == "guest");
        CHECK(line.at("guest") == json::object{{"address", "10.0.0.5"}, {"port", 40000}});
        CHECK(line.at("remote") == json::object{{"address", "198.51.100.7"}, {"port", 443}});
        CHECK(line.at("host_peer") == line.at("remote"));
        CHECK((line.at("verdict") == "allow" && line.at("passed") == true && line.at("ground") == "no policy"));
        CHECK_FALSE((line.contains("rule") || line.contains("name") || line.contains("profile")));
    }
    CHECK_FALSE(said[0].contains("reason"));
    CHECK(said[1].at("reason") == "reset_by_peer");
    CHECK((said[1].at("octets_from_guest") == 12 && said[1].at("octets_to_guest") == 3456));
    CHECK(said[1].at("duration_ms") == 2500);
}

TEST_CASE("a rule is told with its text, file and line, a name with how it was learned, a profile by its name")
{
    log_under_test log;
    const auto policy = policy_with("*.example.org:443");
    log.lines.note_policy(policy);
    auto named = opening(1);
    named.policy = policy.get();
    named.verdict = {.ground = egress_ground::name, .rule = 1, .name = 9};
    log.take(named);
    auto refused = refusal();
    refused.policy = policy.get();
    log.take(refused);
    const auto said = log.said();
    REQUIRE(said.size() == 2);
    CHECK(said[0].at("rule") == json::object{{"text", "*.example.org:443"}, {"file", "dir/\"b\".toml"}, {"line", 7}});
    CHECK((said[0].at("ground") == "name" && said[0].at("name") == "www.example.org" && said[0].at("name_from") == "dns"));
    CHECK((said[1].at("event") == "refused" && said[1].at("verdict") == "deny" && said[1].at("passed") == false));
    CHECK((said[1].at("ground") == "profile" && said[1].at("profile") == "no-lan"));
    CHECK(said[1].at("reason") == "egress_denied");
    CHECK_FALSE(said[1].contains("flow"));
}

TEST_CASE("a record speaks of the policy that judged it, also after that was exchanged, until all were taken")
{
    log_under_test log;
    auto first = policy_with("first");
    auto record = opening(1);
    record.policy = first.get();
    record.verdict = {.ground = egress_ground::rule, .rule = 1};
    log.lines.note_policy(first);
    const std::weak_ptr<egress_policy> there = first;
    first = nullptr;
    const auto second = policy_with("second");
    log.lines.note_policy(second);
    log.take(record);
    CHECK(log.said().at(0).at("rule").at("text") == "first");
    log.lines.forget_policies();
    CHECK(there.expired());
    record.policy = second.get();
    record.number = 2;
    log.take(record);
    CHECK(log.said().at(0).at("rule").at("text") == "second");
    log.take(ending(1));
    CHECK(log.said().at(0).at("rule").at("text") == "first");
}

TEST_CASE("the end of a flow that has moved is told behind its beginning, whichever is read first")
{
    log_under_test log;
    log.take(ending(7), 0);
    CHECK(log.said().empty());
    log.take(opening(7), 1);
    const auto said = log.said();
    REQUIRE(said.size() == 2);
    CHECK((said[0].at("event") == "opened" && said[1].at("event") == "ended"));
    CHECK(log.lines.open_flows() == 0);
}

TEST_CASE(
    "what was refused is told once, and then how often it was again; what differs by more than the guest's port, for itself")
{
    log_under_test log;
    auto other = key;
    other.remote_port = 80;
    for (std::uint16_t i = 0; i < 100; ++i) {
        auto again = key;
        again.guest_port = static_cast<std::uint16_t>(40000 + i);
        log.take(refusal(again));
    }
    log.take(refusal(other));
    CHECK(log.said().size() == 2);
    CHECK(log.lines.tell_repeats(clock_offset, log.out));
    const auto sums = log.said();
    REQUIRE(sums.size() == 1);
    CHECK((sums[0].at("event") == "suppressed" && sums[0].at("of") == "refused" && sums[0].at("count") == 99));
    CHECK((sums[0].at("remote").at("port") == 443 && sums[0].at("reason") == "egress_denied"));
    CHECK_FALSE(log.lines.tell_repeats(clock_offset, log.out));
    CHECK(log.said().empty());
    log.take(refusal());
    CHECK(log.said().at(0).at("event") == "refused");
}

TEST_CASE("what is beyond a limit is told with that reason, and apart from what the policy denies")
{
    log_under_test log;
    auto beyond = refusal();
    beyond.refused = drop_reason::egress_limit;
    beyond.verdict.says = egress_action::allow;
    log.take(refusal());
    log.take(beyond);
    const auto said = log.said();
    REQUIRE(said.size() == 2);
    CHECK((said[0].at("verdict") == "deny" && said[0].at("reason") == "egress_denied"));
    CHECK((said[1].at("verdict") == "allow" && said[1].at("passed") == false && said[1].at("reason") == "egress_limit"));
}

TEST_CASE("a connection without the name of its server is told beside its beginning, and summed up likewise")
{
    log_under_test log;
    auto misnamed = refusal();
    misnamed.what = audit_event::misnamed;
    misnamed.verdict.ground = egress_ground::server_name;
    log.take(opening(7));
    log.take(misnamed);
    log.take(misnamed);
    CHECK(log.lines.tell_repeats(clock_offset, log.out));
    const auto said = log.said();
    REQUIRE(said.size() == 3);
    CHECK((said[1].at("event") == "misnamed" && said[1].at("ground") == "server name" && !said[1].contains("reason")));
    CHECK((said[2].at("event") == "suppressed" && said[2].at("of") == "misnamed" && said[2].at("count") == 1));
    CHECK(log.lines.open_flows() == 1);
}

TEST_CASE("a scan that is refused everywhere takes bounded memory, and its rest is counted")
{
    log_under_test log;
    constexpr std::uint32_t many = 20'000;
    for (std::uint32_t i = 0; i < many; ++i) {
        auto next = key;
        next.remote_port = static_cast<std::uint16_t>(1 + i);
        log.take(refusal(next));
    }
    const auto told = log.said().size();
    CHECK(told < many);
    (void)log.lines.tell_repeats(clock_offset, log.out);
    const auto sums = log.said();
    REQUIRE(sums.size() == 1);
    CHECK(sums[0].at("count").to_number<std::uint64_t>() == many - told);
}

TEST_CASE("what was lost, and what was not let through because of that, has lines of its own")
{
    log_under_test log;
    audit_lines::tell_lost(3, clock_offset, log.out);
    audit_lines::tell_unrecorded(4, clock_offset, log.out);
    audit_lines::tell_reopened(clock_offset, log.out);
    const auto said = log.said();
    REQUIRE(said.size() == 3);
    CHECK((said[0].at("event") == "lost" && said[0].at("records") == 3));
    CHECK((said[1].at("event") == "suppressed" && said[1].at("reason") == "audit_full" && said[1].at("count") == 4));
    CHECK((said[2].at("event") == "reopened" && said[2].size() == 2));
}
