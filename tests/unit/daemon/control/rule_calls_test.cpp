#include "daemon/control/rule_calls.hpp"

#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

using kind = rule_change_request::kind;

auto parse(kind what, const char* parameters) { return parse_rule_change(what, boost::json::parse(parameters).as_object()); }

std::string wrong(kind what, const char* parameters)
{
    const auto parsed = parse(what, parameters);
    return std::holds_alternative<std::string>(parsed) ? std::get<std::string>(parsed) : "it was taken";
}

constexpr const char* one = R"({"rule": {"side": "guest", "protocol": "udp", "ports": "53"}, "owner": "me", "more": 1})";

TEST_CASE("a change is one rule, or several, and whose")
{
    const auto request = std::get<rule_change_request>(parse(kind::add, one));
    REQUIRE(request.specs.size() == 1);
    CHECK(request.specs[0].side == rule_side::guest);
    CHECK(request.specs[0].protocol == wire::protocol_udp);
    CHECK(request.specs[0].ports == "53");
    CHECK(request.owner == "me");
    CHECK(std::get<rule_change_request>(parse(kind::replace, R"({"rules": [], "owner": null})")).specs.empty());
    CHECK(std::get<rule_change_request>(parse(kind::remove, R"({"id": 7})")).id == 7);
}

TEST_CASE("the parameter that makes no sense is named")
{
    CHECK(wrong(kind::add, "{}") == "rule");
    CHECK(wrong(kind::remove, "{}") == "rule");
    CHECK(wrong(kind::replace, "{}") == "rules");
    CHECK(wrong(kind::replace, one) == "rules");
    CHECK(wrong(kind::add, R"({"id": 7})") == "rule");
    CHECK(wrong(kind::add, R"({"rule": {"side": "host", "protocol": "tcp"}})") == "rule");
    CHECK(wrong(kind::add, R"({"rule": {"side": "host", "protocol": "icmp", "ports": "1"}})") == "rule");
    CHECK(wrong(kind::add, R"({"rules": [{"side": "host"}]})") == "rules");
    CHECK(wrong(kind::add, R"({"rules": [], "owner": ""})") == "owner");
    CHECK(wrong(kind::remove, R"({"id": 0})") == "id");
    CHECK(wrong(kind::remove, R"({"id": 1, "rules": []})") == "id");
    CHECK(wrong(kind::remove, R"({"id": 1.5})") == "id");
}

} // namespace
} // namespace tapioca
