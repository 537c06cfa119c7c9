#include "daemon/client/policy_texts.hpp"

#include "tests/support/catch.hpp"

namespace tapioca::client {
namespace {

boost::json::object object(const char* text) { return boost::json::parse(text).as_object(); }

TEST_CASE("findings of an instance are lines as those of a file")
{
    CHECK(text_of_findings(object(R"({"findings": [{"severity": "error", "file": "a.toml", "line": 3, "key": "allow",
        "value": "x:70000", "what": "port 70000 does not exist", "cure": "ports are 1 to 65535"}]})")) ==
          "a.toml:3: allow: \"x:70000\": port 70000 does not exist; ports are 1 to 65535");
    CHECK(text_of_findings({}).empty());
}

TEST_CASE("a policy is shown with its rules and whether it may change")
{
    const auto text =
        text_of_policy(object(R"({"locked": true, "fixed": false, "policy": {"profile": "deny-all", "mode": "enforce",
        "limit": {"rate": "50mbit"}, "rules": [{"number": 0, "action": "allow", "text": "a.example:22", "file": "a.toml", "line": 3}]}})"),
                       0);
    for (const auto* part : {"profile      deny-all\n", "rate         50mbit\n", "it is locked\n", "a.toml:3"})
        CHECK(text.find(part) != text.npos);
}

TEST_CASE("a reason names the rule, where it stands, and what led there")
{
    CHECK(text_of_reasons(object(R"({"profile": "deny-all", "asked": {"name": "a.example", "may_ask": true},
        "answers": [{"address": "192.0.2.1", "judged": {"address": "192.0.2.1", "port": 22}, "verdict": "allow", "passes": true,
        "ground": "name", "name": "a.example",
        "rule": {"number": 0, "action": "allow", "text": "a.example:22", "file": "a.toml", "line": 3}}]})"),
                          "tcp port 22") ==
          "may be asked for  a.example: no rule speaks of it\n"
          "allowed  192.0.2.1 tcp port 22: by rule 0, allow \"a.example:22\" (a.toml:3), as a.example has led there\n");
    CHECK(text_of_reasons(object(R"({"profile": "no-lan", "answers": [{"address": "192.0.2.9", "judged": {"address": "127.0.0.1",
        "port": 80}, "verdict": "deny", "passes": true, "ground": "profile", "classes": ["@host"]}]})"),
                          "tcp port 80") == "denied   192.0.2.9 tcp port 80 (the host's 127.0.0.1), of @host: by the profile "
                                            "no-lan, as no rule speaks of it; but the "
                                            "mode is audit, so that it passes\n");
    CHECK(text_of_reasons(object(R"({"answers": []})"), "echo").starts_with("no address is known"));
}

} // namespace
} // namespace tapioca::client
