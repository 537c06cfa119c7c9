#include "daemon/control/flow_json.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

flow_view view()
{
    const flow_key key{ip_address::v4(10, 0, 0, 5), ip_address::v4(198, 51, 100, 7), 40000, 443, wire::protocol_tcp};
    flow_head head{.key = key, .kind = flow_kind::tcp, .origin = flow_origin::guest, .rule = 3};
    return {.id = {1U << flow_id::slot_bits | 7}, .head = head, .key = key, .state = flow_state::established, .idle = 1500ms};
}

bool fits(const json::object& text)
{
    const auto asked = filter_from(text);
    CHECK(asked.wrong.empty());
    return asked.wanted.fits(view());
}

} // namespace

TEST_CASE("a filter lets through what fits all that it asks for")
{
    CHECK(fits({}));
    CHECK(fits({{"protocol", "tcp"}, {"way", "tap"}, {"origin", "guest"}, {"state", "ESTABLISHED"}}));
    CHECK(
        fits({{"guest_address", "10.0.0.0/8"}, {"guest_port", 40000}, {"remote_address", "198.51.100.7"}, {"remote_port", 443}}));
    CHECK(fits({{"protocol", nullptr}}));
    for (const json::object& other :
         {json::object{{"protocol", "udp"}}, json::object{{"way", "bypass"}}, json::object{{"origin", "peer"}},
          json::object{{"state", "SYN-SENT"}}, json::object{{"guest_address", "10.0.0.6"}}, json::object{{"guest_port", 1}},
          json::object{{"remote_address", "2001:db8::/32"}}, json::object{{"remote_port", 80}},
          json::object{{"protocol", "tcp"}, {"way", "bypass"}}})
        CHECK_FALSE(fits(other));
}

TEST_CASE("what makes no sense in a filter is named")
{
    CHECK(filter_from({{"colour", "red"}}).wrong == "colour");
    CHECK(filter_from({{"protocol", "sctp"}}).wrong == "protocol");
    CHECK(filter_from({{"protocol", 6}}).wrong == "protocol");
    CHECK(filter_from({{"remote_port", 65536}}).wrong == "remote_port");
    CHECK(filter_from({{"remote_port", "443"}}).wrong == "remote_port");
    CHECK(filter_from({{"remote_address", "10.0.0.0/33"}}).wrong == "remote_address");
    CHECK(filter_from({{"state", "established"}}).wrong == "state");
    CHECK(filter_from({{"rule", 0}}).wrong == "rule");
    CHECK(filter_from({{"rule", 7}}).rule == 7U);
}

TEST_CASE("a flow is told with what is known of it")
{
    const auto told_of = [](const listed_flow& f) {
        std::string text;
        put_flow(text, 2, f, 7);
        return json::parse(text).as_object();
    };
    auto told = told_of({view(), {}});
    CHECK(json::value_to<std::string>(told["id"]) == "2.tcp.7.1");
    CHECK(told["state"] == "ESTABLISHED");
    CHECK(told["idle_ms"] == 1500);
    CHECK(told["rule"] == 7);
    CHECK_FALSE(told.contains("host_peer"));
    CHECK_FALSE(told.contains("tcp"));
    socket_details details{
        {.state = 8, .round_trip_us = 250, .sent = 10, .received = 20}, {ip_address::v4(192, 0, 2, 1), 5000}, {}};
    details.peer = {ip_address::v4(127, 0, 0, 1), 443};
    told = told_of({view(), details});
    CHECK(told["host_peer"] == json::object{{"address", "127.0.0.1"}, {"port", 443}});
    CHECK(told["host_own"] == json::object{{"address", "192.0.2.1"}, {"port", 5000}});
    CHECK(told["tcp"].at("state") == "CLOSE-WAIT");
    CHECK(told["tcp"].at("rtt_us") == 250);
    CHECK(told["tcp"].at("octets_received") == 20);
}

TEST_CASE("a flow is told with what the egress policy says of it")
{
    egress_policy policy;
    policy.rules = {{}, {egress_action::allow, "{ name = \"git.example\" }", {}, 0}};
    const auto told_of = [&](const egress_verdict& verdict, const egress_policy* in_force) {
        std::string text;
        put_flow(text, 2, {view(), {}, verdict}, 7, in_force);
        return json::parse(text).as_object();
    };
    CHECK_FALSE(told_of({}, &policy).contains("egress"));
    CHECK_FALSE(told_of({.ground = egress_ground::name, .rule = 1}, nullptr).contains("egress"));
    CHECK(told_of({.ground = egress_ground::name, .rule = 1}, &policy)["egress"] ==
          json::object{{"verdict", "allow"}, {"ground", "name"}, {"rule", 1}, {"text", "{ name = \"git.example\" }"}});
    CHECK(told_of({.says = egress_action::deny, .ground = egress_ground::profile}, &policy)["egress"] ==
          json::object{{"verdict", "deny"}, {"ground", "profile"}});
    CHECK(told_of({.ground = egress_ground::rule, .rule = 9}, &policy)["egress"] == // of a policy that was exchanged meanwhile
          json::object{{"verdict", "allow"}, {"ground", "rule"}});
}
