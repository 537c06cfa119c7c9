#include "daemon/control/destination_calls.hpp"

#include "daemon/config/address_text.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

auto parse(const char* parameters) { return parse_destination(boost::json::parse(parameters).as_object()); }

std::string wrong(const char* parameters)
{
    const auto parsed = parse(parameters);
    return std::holds_alternative<std::string>(parsed) ? std::get<std::string>(parsed) : "it was taken";
}

TEST_CASE("a destination is an address or a name, and a service")
{
    const auto address =
        std::get<destination_question>(parse(R"({"destination": "2001:db8::1", "port": 53, "protocol": "udp"})"));
    CHECK(std::get<ip_address>(address.whom) == *parse_ip("2001:db8::1"));
    CHECK(address.port == 53);
    CHECK(address.protocol == wire::protocol_udp);
    const auto name = std::get<destination_question>(parse(R"({"destination": "GitHub.com.", "port": 443})"));
    CHECK(std::get<std::string>(name.whom) == "github.com");
    CHECK(name.protocol == wire::protocol_tcp);
    CHECK(std::get<destination_question>(parse(R"({"destination": "192.0.2.1", "protocol": "echo"})")).port == 0);
}

TEST_CASE("the parameter of a question that makes no sense is named")
{
    CHECK(wrong(R"({"port": 80})") == "destination");
    CHECK(wrong(R"({"destination": "a b", "port": 80})") == "destination");
    CHECK(wrong(R"({"destination": "m\u00fcller.example", "port": 80})") == "destination");
    CHECK(wrong(R"({"destination": "192.0.2.1"})") == "port");
    CHECK(wrong(R"({"destination": "192.0.2.1", "port": 65536})") == "port");
    CHECK(wrong(R"({"destination": "192.0.2.1", "port": -1})") == "port");
    CHECK(wrong(R"({"destination": "192.0.2.1", "port": "80"})") == "port");
    CHECK(wrong(R"({"destination": "192.0.2.1", "port": 80, "protocol": "echo"})") == "port");
    CHECK(wrong(R"({"destination": "192.0.2.1", "port": 80, "protocol": "sctp"})") == "protocol");
}

TEST_CASE("a rule is told of by where it stands")
{
    egress_policy policy;
    policy.rules.push_back({egress_action::allow, "github.com:22", "web.toml", 3});
    CHECK(rule_json(policy, 0) ==
          boost::json::object{{"number", 0}, {"action", "allow"}, {"text", "github.com:22"}, {"file", "web.toml"}, {"line", 3}});
    CHECK_FALSE(rule_json(policy, 1));
}

} // namespace
} // namespace tapioca
