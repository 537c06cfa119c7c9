#include "tests/unit/daemon/policy/policy_support.hpp"

using namespace tapioca;

namespace {

constexpr auto example = R"(profile = "deny-all"
mode = "enforce"
allow = ["github.com:22", "*.githubusercontent.com:443", "192.168.1.10:5432/tcp",
         { name = "git.corp.example", port = 443, private = true }]
deny = ["@metadata"]
[limit]
rate = "50mbit"
connections = 200
quota = "5GiB/day"
)";

std::string line_of(std::string_view text) { return read(text).line(); }

} // namespace

TEST_CASE("a whole policy is read")
{
    const auto r = read(example);
    CHECK(r.line() == "p.toml:3: warning: allow: \"*.githubusercontent.com:443\": anybody may have a name below "
                      "githubusercontent.com; name the hosts that are needed");
    const auto& p = r.policy;
    CHECK(p.profile == egress_profile::deny_all);
    CHECK(p.mode == egress_mode::enforce);
    CHECK(p.limits == egress_limits{6'250'000, 200, 5ULL << 30, std::chrono::hours{24}});
    REQUIRE(p.rules.size() == 5);
    CHECK(p.rules[0].text == "github.com:22");
    CHECK(p.rules[0].line == 3);
    CHECK(p.rules[3].line == 4);
    CHECK(p.rules[3].text == "git.corp.example:443");
    REQUIRE(p.names.size() == 3);
    CHECK(p.names[1].name == "githubusercontent.com");
    CHECK(p.names[1].below);
    CHECK(p.names[2].private_addresses);
    CHECK_FALSE(p.names[0].private_addresses);
    const auto database = ip_address::v4(192, 168, 1, 10);
    CHECK(passes(p, wire::protocol_tcp, {database, 5432}));
    CHECK_FALSE(passes(p, wire::protocol_udp, {database, 5432}));
    CHECK_FALSE(passes(p, wire::protocol_tcp, {database, 5433}));
    CHECK_FALSE(passes(p, wire::protocol_tcp, {ip_address::v4(169, 254, 169, 254), 80}));
}

TEST_CASE("rules may be tables, with lists of ports")
{
    const auto r = read(R"(profile = "deny-all"
allow = [{ address = "2001:db8::/32", port = [80, "8000-8010", 443], protocol = "tcp" }, { address = "@lan", protocol = "echo" }]
)");
    CHECK(r.lines() == std::vector<std::string>{});
    const auto to = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1});
    for (const auto port : std::vector<std::uint16_t>{80, 443, 8000, 8010})
        CHECK(passes(r.policy, wire::protocol_tcp, {to, port}));
    for (const auto port : std::vector<std::uint16_t>{81, 7999, 8011})
        CHECK_FALSE(passes(r.policy, wire::protocol_tcp, {to, port}));
    CHECK_FALSE(passes(r.policy, wire::protocol_udp, {to, 443}));
    CHECK(passes(r.policy, wire::protocol_icmp, {ip_address::v4(10, 0, 0, 1), 0}));
    CHECK(passes(r.policy, wire::protocol_icmpv6, {ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 1}), 0}));
    CHECK_FALSE(passes(r.policy, wire::protocol_tcp, {ip_address::v4(10, 0, 0, 1), 80}));
}

TEST_CASE("an error names file, line, key, value and cure")
{
    CHECK(line_of("\nprofile = \"deny\"") ==
          "p.toml:2: profile: \"deny\": there is no such profile; profiles are open, no-metadata, "
          "no-lan, internet-only or deny-all");
    CHECK(line_of("profile = 1") ==
          "p.toml:1: profile: it is no text; profiles are open, no-metadata, no-lan, internet-only or deny-all");
    CHECK(line_of("profiel = \"open\"") == "p.toml:1: profiel: there is no such key; perhaps profile is meant");
    CHECK(line_of("x = 1") ==
          "p.toml:1: x: there is no such key; the keys are profile, mode, allow, deny, tls, dns_types, limit");
    CHECK(line_of("mode = \"report\"") ==
          "p.toml:1: mode: \"report\": there is no such mode; write \"enforce\", or \"audit\" to record "
          "what would be denied and let it pass");
    CHECK(line_of("allow = \"a.example\"") == "p.toml:1: allow: it is no list; write allow = [\"example.com:443\"]");
    CHECK(line_of("allow = [1]") == "p.toml:1: allow: it is no text; write a text, as \"example.com:443\", or a table");
    CHECK(line_of("deny = [\n\"@metadata\",\n\"@clouds\"]") ==
          "p.toml:3: deny: \"@clouds\": there is no class @clouds; the classes are @metadata, @lan and @host");
    CHECK(line_of("tls = \"on\"") == "p.toml:1: tls: \"on\": there is no such check; write \"sni\", or leave it out");
    CHECK(line_of("limit = 3") == "p.toml:1: limit: it is no table; write [limit] in a line of its own");
    CHECK(line_of("[limit]\nconections = 3") == "p.toml:2: limit.conections: there is no such key; perhaps connections is meant");
}

TEST_CASE("quantities are told apart from what is none")
{
    for (const auto* bad :
         {"50", "50mbits", "mbit", "-1mbit", "1.5mbit", "0mbit", "7bit", "99999999999999999999gbit", "9999999999gbit"})
        CHECK(line_of(std::string{"[limit]\nrate = \""} + bad + "\"") ==
              std::string{"p.toml:2: limit.rate: \""} + bad +
                  "\": it is no rate; write a number of bits a second and its unit: bit, kbit, mbit or gbit, as \"50mbit\"");
    for (const auto* bad : {"5GiB", "5/day", "0GiB/day", "5GiB/month", "5 GiB/day", "99999999TiB/day"})
        CHECK(line_of(std::string{"[limit]\nquota = \""} + bad + "\"").find("it is no quota; ") != std::string::npos);
    CHECK(line_of("[limit]\nconnections = 0").find("\"0\": it is no number of connections; write 1 to 4294967295") !=
          std::string::npos);
    CHECK(line_of("[limit]\nconnections = \"200\"").find("without quotation marks") != std::string::npos);
    CHECK(read("[limit]\nrate = \"8bit\"\nquota = \"1KB/week\"").policy.limits ==
          egress_limits{1, 0, 1000, std::chrono::hours{168}});
}

TEST_CASE("tables of rules have known keys of known kinds")
{
    CHECK(line_of("allow = [{ port = 443 }]") ==
          "p.toml:1: allow: the rule has neither a name nor an address; write name = \"example.com\" or address = \"192.0.2.1\"");
    CHECK(line_of("allow = [{ name = \"a.example\", address = \"192.0.2.1\" }]").find("a rule has a name or an address") !=
          std::string::npos);
    CHECK(line_of("allow = [{ name = \"a.example\", prot = \"tcp\" }]") ==
          "p.toml:1: allow.prot: there is no such key; perhaps port is meant");
    CHECK(line_of("allow = [{ name = \"a.example\", private = \"yes\" }]") ==
          "p.toml:1: allow.private: it is neither true nor false; write true without quotation marks, or leave it out");
    CHECK(line_of("allow = [{ name = \"a.example\", port = 70000 }]") ==
          "p.toml:1: allow.port: \"70000\": port 70000 does not exist; ports are 1 to 65535");
    CHECK(line_of("allow = [{ name = \"a.example\", protocol = \"icmp\" }]") ==
          "p.toml:1: allow.protocol: \"icmp\": there is no protocol \"icmp\"; pings are echo");
    CHECK(line_of("allow = [{ name = \"192.0.2.1\" }]").find("it is neither an address nor a name") != std::string::npos);
    CHECK(line_of("allow = [{ address = \"a.example\" }]").find("it is no address and no network") != std::string::npos);
    CHECK(line_of("allow = [{ name = \"a.example\", port = [] }]").find("it is no list of ports") != std::string::npos);
}

TEST_CASE("types of records are named, and those that tell more than asked are not")
{
    CHECK(read("profile = \"deny-all\"\nallow = [\"a.example\"]\ndns_types = [\"txt\", \"TYPE300\", \"MX\", \"TXT\"]")
              .policy.dns_types == std::vector<std::uint16_t>{15, 16, 300});
    for (const auto* bad : {"HTTPS", "SVCB", "A", "AAAA", "ANY", "AXFR", "TYPE0", "NONE"})
        CHECK(read("dns_types = [\"" + std::string{bad} + "\"]").findings.has_errors());
}

TEST_CASE("what is no TOML is told with its line")
{
    CHECK(line_of("profile = \"open\"\nallow = [\"a.example\"").starts_with("p.toml:2: it is no TOML: "));
    CHECK(line_of("mode = \"audit\"\nmode = \"audit\"").starts_with("p.toml:2: it is no TOML: "));
    for (const std::string text :
         {"[&", "[[[1]]]", "[[=", "[[\nmode = 3", "[", "[[", "a.", "a.&", "= 1", "[a.&]", "a = {&}", "a = {b.=1}"})
        CHECK(line_of(text).find(": it is no TOML: ") != std::string::npos);
    CHECK(line_of(std::string("[\0\0", 3)).starts_with("p.toml:1: it is no TOML: "));
    CHECK(line_of(std::string("profile = \"\xff\"")).starts_with("p.toml:1: it is no TOML: "));
}

TEST_CASE("texts and comments have any characters")
{
    for (const auto* text : {"# \xc3\xbc\nmode = \"audit\"", "\"mode\" = \"audit\" # \xc3\xbc", "mode = 'audit' # '\xc3\xbc",
                             "mode = \"\"\"\\\n  audit\"\"\"", "mode = '''audit''' # '''\xc3\xbc", "'mode' = \"\\u0061udit\""})
        CHECK(read(text).policy.mode == egress_mode::audit);
    CHECK(line_of("mode = \"\\\"\xc3\xbc\"").starts_with("p.toml:1: mode: \"\"\xc3\xbc\": there is no such mode"));
    CHECK(line_of("mode = '''\"\n\xc3\xbc'''").starts_with("p.toml:1: mode: "));
    CHECK(line_of("mode = \"\xc3\xbc\nmode = 3").starts_with("p.toml:1: it is no TOML: "));
    CHECK(line_of("allow = [\n0\xc3\xbc]") ==
          "p.toml:2: it is no TOML: a character that is not ASCII stands outside of a text; put it in quotation marks");
}

TEST_CASE("every fault is told, up to a bound")
{
    CHECK(read("profile = 1\nmode = 2\nallow = [\"a..b\", \"c:0\"]").findings.all().size() == 4);
    std::string many = "allow = [";
    for (int i = 0; i < 1000; ++i)
        many += "\"a:0\",";
    CHECK(read(many + "]").findings.all().size() == policy_findings::most + 1);
    CHECK(read(many + "]").lines().back() == "p.toml: there is more to say; begin with the lines above");
}
