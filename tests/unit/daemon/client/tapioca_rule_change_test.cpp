#include "daemon/client/tapioca_rule_change.hpp"

#include "daemon/client/tapioca_output.hpp"
#include "tests/support/catch.hpp"

namespace tapioca::client {
namespace {

using action = rule_change::action;

std::string parameters_of(const rule_change& change) { return boost::json::serialize(call_of(change).parameters); }

TEST_CASE("each option is a spec of its side and protocol")
{
    const rule_change change{.what = action::add, .rules = {{'t', "8080:80"}, {'U', "53"}}, .id = {}, .owner = {}};
    CHECK(call_of(change).method == "AddRule");
    CHECK(parameters_of(change) == R"({"rules":[{"side":"host","protocol":"tcp","ports":"8080:80"},)"
                                   R"({"side":"guest","protocol":"udp","ports":"53"}]})");
}

TEST_CASE("a rule is deleted by its id, and only for its owner if one is named")
{
    rule_change change{.what = action::remove, .rules = {}, .id = 7, .owner = "web"};
    CHECK(call_of(change).method == "DeleteRule");
    CHECK(parameters_of(change) == R"({"owner":"web","id":7})");
    change.what = action::replace;
    CHECK(call_of(change).method == "ReplaceRules");
}

TEST_CASE("rules are shown with owner, counts and what is missing")
{
    const auto reply = boost::json::parse(R"({"rules": [{"id": 3, "side": "host", "text": "TCP [*]:80-81  =>  80-81",
        "owner": "web", "bound": {"count": 1, "ports": "81"}, "missing": [{"count": 1, "ports": "80", "why": "Permission denied"}],
        "flows": 5, "octets_to_guest": 600, "octets_from_guest": 70}]})");
    const auto text = show_rules({{"4711", {reply.as_object()}}}, 0);
    CHECK(text.find("TO GUEST") != std::string::npos);
    CHECK(text.find(
              "4711  3   host  TCP [*]:80-81  =>  80-81  web    1      5      600       70          80 Permission denied\n") !=
          std::string::npos);
}

} // namespace
} // namespace tapioca::client
