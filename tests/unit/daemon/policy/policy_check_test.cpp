#include "tests/unit/daemon/policy/policy_support.hpp"

using namespace tapioca;

namespace {

std::string line_of(std::string_view text) { return read(text).line(); }

std::string closed(std::string_view rules) { return "profile = \"deny-all\"\n" + std::string{rules}; }

egress_target target(std::string_view text) { return std::get<egress_target>(parse_target(text)); }

} // namespace

TEST_CASE("what can never match is an error with its reason")
{
    CHECK(line_of(closed("allow = [\"192.0.2.1:7/echo\"]")) ==
          "p.toml:2: allow: \"192.0.2.1:7/echo\": it never matches: echo has no ports; leave out the port, or echo");
    CHECK(line_of(closed("allow = [{ address = \"192.0.2.1\", private = true }]")) ==
          "p.toml:2: allow: \"192.0.2.1\": private is for names, and this is an address; leave it out: the address may be "
          "private by itself");
    CHECK(line_of("deny = [{ name = \"a.example\", private = true }]") ==
          "p.toml:1: deny: \"a.example\": private is for names that are allowed; leave it out");
    CHECK(line_of("deny = [\"a.example:25\"]") ==
          "p.toml:1: deny: \"a.example:25\": a denied name is not asked for, whatever the port; "
          "leave out port and protocol, or deny addresses");
    CHECK(line_of(closed("allow = [\"10.1.2.3:80\"]\ndeny = [\"10.0.0.0/8\"]")) ==
          "p.toml:2: allow: \"10.1.2.3:80\": it never matches: \"10.0.0.0/8\" (p.toml:3) denies all of it, and deny beats allow; "
          "leave out "
          "one of them");
    CHECK(line_of(closed("allow = [\"10.1.2.3:80\"]\ndeny = [\"@lan\"]")).find("\"@lan\" (p.toml:3) denies all of it") !=
          std::string::npos);
    CHECK(line_of(closed("allow = [\"a.b.example\"]\ndeny = [\"*.b.example\"]")).find("denies all of it") != std::string::npos);
    CHECK(line_of("allow = [\"192.0.2.1\"]") ==
          "p.toml:1: allow: \"192.0.2.1\": it changes nothing: the profile is open, which lets that "
          "pass; write profile = \"deny-all\" if nothing else may be reached, else leave the rule out");
    CHECK(line_of("profile = \"internet-only\"\nallow = [\"a.example\"]")
              .find("the profile is internet-only, which lets that pass") != std::string::npos);
    CHECK(line_of("profile = \"no-metadata\"\nallow = [\"192.0.2.1\"]").find("it changes nothing") != std::string::npos);
}

TEST_CASE("what names take away is an error, and for a denial a warning")
{
    CHECK(line_of(closed("allow = [\"a.example\", \"192.0.2.1:53/udp\"]")) ==
          "p.toml:2: allow: \"192.0.2.1:53/udp\": it never matches: while a rule has a name, port 53 leads to our own resolver; "
          "leave it out");
    CHECK(line_of(closed("allow = [\"a.example\", \"192.0.2.1:853\"]")).find("port 853 is refused") != std::string::npos);
    CHECK(line_of("deny = [\"a.example\", \"192.0.2.1:853\"]")
              .find("p.toml:1: warning: deny: \"192.0.2.1:853\": it never matches") == 0);
    CHECK(line_of(closed("allow = [\"192.0.2.1:53\"]")) == "0 findings");
    CHECK(line_of(closed("tls = \"sni\"\nallow = [\"a.example:443/udp\"]"))
              .find("with tls = \"sni\", port 443 of UDP is refused") != std::string::npos);
    CHECK(line_of(closed("tls = \"sni\"\nallow = [\"192.0.2.1\"]")) ==
          "p.toml:2: tls: \"sni\": no rule allows a name that it could compare with; allow names, or leave it out");
    CHECK(line_of(closed("dns_types = [\"TXT\"]\nallow = [\"192.0.2.1\"]"))
              .find("p.toml:2: warning: dns_types: no rule has a name") == 0);
}

TEST_CASE("what changes nothing and harms nobody is a warning")
{
    CHECK(line_of(closed("deny = [\"@metadata\"]")) ==
          "p.toml:2: warning: deny: \"@metadata\": it changes nothing: the profile deny-all "
          "denies it, and no rule allows any of it; leave it out");
    CHECK(line_of(closed("allow = [\"192.0.2.1\"]\ndeny = [\"b.example\"]"))
              .find("warning: deny: \"b.example\": it changes nothing") != std::string::npos);
    CHECK(line_of("profile = \"no-lan\"\ndeny = [\"192.168.0.0/16\"]").find("the profile no-lan denies it") != std::string::npos);
    CHECK(line_of(closed("allow = [\"192.0.2.0/24\", \"192.0.2.1:80\"]")) ==
          "p.toml:2: warning: allow: \"192.0.2.1:80\": it changes nothing: \"192.0.2.0/24\" (p.toml:2) says the same of all of "
          "it; leave it out");
    CHECK(line_of(closed("allow = [\"a.example\", \"A.example.\"]")).find("warning: allow: \"A.example.\": it changes nothing") !=
          std::string::npos);
    CHECK(line_of(closed("allow = [\"*.com:443\"]")) ==
          "p.toml:2: warning: allow: \"*.com:443\": anybody may have a name below com; name the hosts that are needed");
    CHECK(line_of(closed("allow = [\"*.github.io\"]")).find("anybody may have a name below github.io") != std::string::npos);
}

TEST_CASE("rules that matter are found nothing of")
{
    for (const auto* text : {
             "deny = [\"@metadata\", \"ads.example\", \"*.ads.example\"]",
             "profile = \"no-lan\"\nallow = [\"192.168.1.10:5432/tcp\", \"203.0.113.0/24\"]",
             "profile = \"internet-only\"\nallow = [\"@host:631/tcp\", { name = \"git.corp.example\", private = true }]",
             "profile = \"no-metadata\"\nallow = [\"169.254.169.254:80\"]",
             "profile = \"deny-all\"\nallow = [\"10.0.0.0/8\"]\ndeny = [\"10.0.0.1\", \"10.0.0.0/8:25\"]",
             "profile = \"deny-all\"\nallow = [{ name = \"git.corp.example\", private = true }]\ndeny = [\"@metadata\"]",
             "profile = \"deny-all\"\nallow = [\"*.example.com:443\"]\ndeny = [\"bad.example.com\"]",
             "profile = \"deny-all\"\nallow = [\"a.example\", \"192.0.2.1:50-60\"]",
         })
        CHECK(read(text).lines() == std::vector<std::string>{});
}

TEST_CASE("targets are compared as sets")
{
    CHECK(covers(target("10.0.0.0/8"), target("10.1.0.0/16:80/tcp")));
    CHECK_FALSE(covers(target("10.0.0.0/8:80"), target("10.1.0.0/16")));
    CHECK_FALSE(covers(target("10.1.0.0/16"), target("10.0.0.0/8")));
    CHECK_FALSE(covers(target("0.0.0.0/0"), target("[2001:db8::1]")));
    CHECK(covers(target("@lan"), target("100.64.0.0/11")));
    CHECK(covers(target("@lan"), target("[64:ff9b::a00:0]/104")));
    CHECK_FALSE(covers(target("@lan"), target("@metadata")));
    CHECK_FALSE(covers(target("@lan"), target("224.0.0.0/3")));
    CHECK_FALSE(covers(target("@lan"), target("10.0.0.0/7")));
    CHECK(covers(target("@metadata"), target("169.254.169.254:80")));
    CHECK_FALSE(covers(target("@metadata"), target("169.254.169.254/31")));
    CHECK(covers(target("@host"), target("127.0.0.0/8")));
    CHECK(covers(target("*.example"), target("*.a.example")));
    CHECK(covers(target("*.example"), target("*.example:443")));
    CHECK_FALSE(covers(target("*.example"), target("example")));
    CHECK_FALSE(covers(target("*.a.example"), target("*.example")));
    CHECK_FALSE(covers(target("*.xample"), target("an.example")));
    CHECK_FALSE(covers(target("192.0.2.1/tcp"), target("192.0.2.1/echo")));
    CHECK(may_meet(target("10.0.0.0/8"), target("10.1.1.1:80")));
    CHECK_FALSE(may_meet(target("10.0.0.0/8"), target("11.1.1.1")));
    CHECK_FALSE(may_meet(target("10.0.0.0/8:80"), target("10.1.1.1:81-90")));
    CHECK(may_meet(target("10.0.0.0/8"), target("[64:ff9b::]/96")));
    CHECK(may_meet(target("a.example"), target("@lan")));
    CHECK_FALSE(may_meet(target("a.example"), target("*.a.example")));
}

TEST_CASE("several policies are one")
{
    policy_findings findings;
    std::vector<written_policy> parts;
    parts.push_back(read_policy(
        "allow = [\"a.example\"]\ndns_types = [\"TXT\"]\n[limit]\nrate = \"8mbit\"\nquota = \"1GiB/hour\"", "a", findings));
    parts.push_back(bare_profile(egress_profile::deny_all));
    parts.push_back(read_policy(
        "profile = \"no-lan\"\nmode = \"audit\"\ntls = \"sni\"\ndeny = [\"b.example\"]\ndns_types = [\"MX\"]\n[limit]\n"
        "rate = \"4mbit\"\nconnections = 5\nquota = \"5GiB/day\"",
        "b", findings));
    const auto all = joined(std::move(parts));
    CHECK(findings.all().empty());
    CHECK(all.profile == egress_profile::deny_all);
    CHECK(all.mode == egress_mode::enforce);
    CHECK(all.tls_names.has_value());
    CHECK(all.dns_types == std::vector<std::uint16_t>{15, 16});
    CHECK(all.limits == egress_limits{500'000, 5, 5ULL << 30, std::chrono::hours{24}});
    CHECK(all.rules.size() == 2);
}

TEST_CASE("only policies that all record, record alone")
{
    policy_findings findings;
    const auto mode_of = [&](std::string_view a, std::string_view b) {
        std::vector<written_policy> parts;
        parts.push_back(read_policy(a, "a", findings));
        parts.push_back(read_policy(b, "b", findings));
        return joined(std::move(parts)).mode;
    };
    CHECK(mode_of("mode = \"audit\"", "mode = \"audit\"") == egress_mode::audit);
    CHECK(mode_of("mode = \"audit\"", "") == egress_mode::enforce);
    CHECK(mode_of("mode = \"audit\"", "mode = \"enforce\"") == egress_mode::enforce);
}

TEST_CASE("a thousand rules are compared in the time of a start")
{
    std::string text = "profile = \"deny-all\"\nallow = [";
    for (int i = 0; i < 1000; ++i)
        text += "\"host" + std::to_string(i) + ".example:443\",";
    const auto r = read(text + "]");
    CHECK(r.lines() == std::vector<std::string>{});
    CHECK(r.policy.names.size() == 1000);
}
