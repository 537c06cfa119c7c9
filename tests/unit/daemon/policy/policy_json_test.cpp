#include "daemon/policy/policy_json.hpp"
#include "tests/unit/daemon/policy/policy_support.hpp"

using namespace tapioca;

TEST_CASE("a policy as JSON has the words of its file")
{
    const auto r = read("profile = \"deny-all\"\nmode = \"audit\"\ntls = \"sni\"\ndns_types = [\"MX\"]\n"
                        "allow = [\"a.example:443\", { name = \"b.example\", private = true }]\n"
                        "[limit]\nrate = \"50mbit\"\nconnections = 200\nquota = \"5GiB/day\"");
    CHECK(r.lines() == std::vector<std::string>{});
    CHECK(boost::json::serialize(to_json(r.policy)) ==
          R"({"profile":"deny-all","mode":"audit","tls":"sni","dns_types":["MX"],)"
          R"("limit":{"rate":"50mbit","connections":200,"quota":"5GiB/day"},)"
          R"("rules":[{"number":0,"action":"allow","text":"a.example:443","file":"p.toml","line":5},)"
          R"({"number":1,"action":"allow","text":"b.example","file":"p.toml","line":5,"private":true}]})");
    CHECK(boost::json::serialize(to_json(egress_policy{})) == R"({"profile":"open","mode":"enforce","rules":[]})");
}

TEST_CASE("a finding as JSON has its parts")
{
    CHECK(boost::json::serialize(to_json(read("\nmode = \"x\"").findings.all().at(0))) ==
          R"({"severity":"error","file":"p.toml","line":2,"key":"mode","value":"x","what":"there is no such mode",)"
          R"("cure":"write \"enforce\", or \"audit\" to record what would be denied and let it pass"})");
}

TEST_CASE("what is shown of a finding has no control characters")
{
    const auto line = read("profile = \"\\u001b[31m\\u007f\"").line();
    CHECK(line.starts_with("p.toml:1: profile: \"\\x1b[31m\\x7f\": there is no such profile"));
}
