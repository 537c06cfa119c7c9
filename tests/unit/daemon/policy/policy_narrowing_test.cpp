#include "daemon/policy/policy_narrowing.hpp"
#include "tests/unit/daemon/policy/policy_support.hpp"

#include <random>

using namespace tapioca;

namespace {

written_policy written(std::string_view text)
{
    policy_findings findings;
    auto policy = read_policy(text, "p.toml", findings);
    REQUIRE(findings.all().empty());
    return policy;
}

std::string wider(std::string_view now, std::string_view next)
{
    return what_is_wider(written(now), written(next)).value_or("narrower");
}

template <std::size_t N>
std::string_view one_of(std::mt19937& random, const std::array<std::string_view, N>& words)
{
    return words[random() % N];
}

/// A few rules of few words, so that two of them often have to do with each other.
written_policy random_policy(std::mt19937& random)
{
    constexpr std::array<std::string_view, 5> profiles = {"open", "no-metadata", "no-lan", "internet-only", "deny-all"};
    constexpr std::array<std::string_view, 14> allowed = {
        "10.0.0.0/8",  "10.0.0.1:80",    "8.8.8.8",         "8.8.8.8:53/udp",      "0.0.0.0/0:80",
        "@lan",        "@metadata:80",   "@host:80/tcp",    "a.example:80",        "a.example",
        "*.a.example", "x.a.example:80", "[2001:db8::]/32", "0.0.0.0/0:1-1000/tcp"};
    constexpr std::array<std::string_view, 9> denied = {"10.0.0.0/8", "10.0.0.1:80", "8.8.8.8",     "@lan",        "@metadata",
                                                        "@host",      "a.example",   "*.a.example", "0.0.0.0/0:53"};
    std::string text = "profile = \"" + std::string{one_of(random, profiles)} + "\"\n";
    if (random() % 8 == 0)
        text += "mode = \"audit\"\n";
    text += "allow = [";
    for (auto i = random() % 3; i > 0; --i)
        text += '"' + std::string{one_of(random, allowed)} + "\", ";
    if (random() % 6 == 0)
        text += "{ name = \"a.example\", private = true }";
    text += "]\ndeny = [";
    for (auto i = random() % 3; i > 0; --i)
        text += '"' + std::string{one_of(random, denied)} + "\", ";
    return written(text + "]");
}

/// With every name asked that may be, and answered by a public address and a private one.
struct in_use {
    explicit in_use(const written_policy& from)
    {
        policy_findings findings;
        policy = compile_policy(from, findings);
        auto pins = std::make_shared<pin_table>(256, siphash_key{});
        for (const auto* name : names) {
            if (!policy.has_names() || !judge_name(policy, name).may_ask)
                continue;
            for (std::uint16_t i = 0; i < policy.names.size(); ++i) {
                const auto& rule = policy.names[i];
                if (rule.action != egress_action::allow || !speaks_of(rule, name))
                    continue;
                (void)pins->set({ip_address::v4(8, 8, 8, 8), i, 0, instant{std::chrono::hours{1}}});
                if (rule.private_addresses)
                    (void)pins->set({ip_address::v4(10, 0, 0, 1), i, 0, instant{std::chrono::hours{1}}});
            }
        }
        policy.pins = pins;
    }
    /// Port 53 leads to our own resolver while there are names.
    [[nodiscard]] bool lets_through(octet protocol, const ip_address& address, std::uint16_t port) const
    {
        const bool echo = protocol == wire::protocol_icmp;
        if (port == 53 && !echo && policy.has_names() && policy.mode == egress_mode::enforce)
            return false;
        return passes(policy, protocol, {address, echo ? std::uint16_t{0} : port});
    }

    static constexpr std::array names = {"a.example", "x.a.example", "b.example"};
    egress_policy policy;
};

} // namespace

TEST_CASE("a policy is as narrow as itself")
{
    std::mt19937 random{1};
    for (int i = 0; i < 200; ++i) {
        const auto policy = random_policy(random);
        CHECK_FALSE(what_is_wider(policy, policy));
    }
}

TEST_CASE("what is found narrower lets nothing through that did not pass before")
{
    constexpr std::array<octet, 3> protocols = {wire::protocol_tcp, wire::protocol_udp, wire::protocol_icmp};
    const std::array addresses = {ip_address::v4(10, 0, 0, 1),
                                  ip_address::v4(10, 2, 0, 1),
                                  ip_address::v4(8, 8, 8, 8),
                                  ip_address::v4(169, 254, 169, 254),
                                  ip_address::v4(127, 0, 0, 1),
                                  ip_address::v4(9, 9, 9, 9),
                                  ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1})};
    std::mt19937 random{2};
    int narrower = 0;
    for (int i = 0; i < 6000; ++i) {
        const auto now = random_policy(random), next = random_policy(random);
        if (what_is_wider(now, next))
            continue;
        ++narrower;
        const in_use was{now}, is{next};
        for (const auto protocol : protocols)
            for (const auto& address : addresses)
                for (const auto port : std::vector<std::uint16_t>{53, 80, 81, 853, 2000})
                    if (is.lets_through(protocol, address, port))
                        CHECK(was.lets_through(protocol, address, port));
        for (const auto* name : in_use::names)
            if (was.policy.has_names() && was.policy.mode == egress_mode::enforce && judge_name(is.policy, name).may_ask &&
                is.policy.has_names())
                CHECK(judge_name(was.policy, name).may_ask);
    }
    CHECK(narrower > 300); // or nothing was tried
}

TEST_CASE("what is wider is named")
{
    CHECK(wider("profile = \"no-lan\"", "profile = \"no-metadata\"") == "the profile is no-metadata, not no-lan");
    CHECK(wider("profile = \"internet-only\"", "profile = \"no-lan\"\ndeny = [\"@host\"]") == "narrower");
    CHECK(wider("profile = \"deny-all\"", "profile = \"internet-only\"") == "the profile is internet-only, not deny-all");
    CHECK(wider("", "mode = \"audit\"") == "the mode is audit, so that what is denied passes");
    CHECK(wider("mode = \"audit\"\nprofile = \"deny-all\"", "") == "narrower");
    CHECK(wider("deny = [\"10.0.0.0/8\"]", "deny = [\"10.1.0.0/16\"]") == "\"10.0.0.0/8\" is no longer denied");
    CHECK(wider("deny = [\"10.0.0.0/8\"]", "profile = \"no-lan\"") == "narrower");
    CHECK(wider("deny = [\"10.0.0.0/8\"]", "profile = \"no-lan\"\nallow = [\"10.1.1.1\"]") ==
          "\"10.0.0.0/8\" is no longer denied");
    CHECK(wider("profile = \"deny-all\"\nallow = [\"a.example:443\"]", "profile = \"deny-all\"\nallow = [\"a.example\"]") ==
          "\"a.example\" is allowed");
    CHECK(wider("profile = \"deny-all\"\nallow = [\"*.example\"]", "profile = \"deny-all\"\nallow = [\"a.example:443\"]") ==
          "narrower");
    CHECK(wider("profile = \"deny-all\"\nallow = [\"a.example\"]",
                "profile = \"deny-all\"\nallow = [{ name = \"a.example\", private = true }]") == "\"a.example\" is allowed");
    CHECK(wider("deny = [\"a.example\"]", "deny = [\"192.0.2.1\"]") == "\"a.example\" is no longer denied");
    CHECK(wider("profile = \"deny-all\"\nallow = [\"a.example\", \"192.0.2.1\"]",
                "profile = \"deny-all\"\nallow = [\"192.0.2.1\"]") == "no rule has a name, so that other resolvers may be asked");
    CHECK(wider("profile = \"deny-all\"\nallow = [\"a.example\"]", "profile = \"deny-all\"") == "narrower");
    CHECK(wider("deny = [\"0.0.0.0/0:53\", \"[::]/0:53\"]", "deny = [\"0.0.0.0/0:53\", \"[::]/0:53\", \"a.example\"]") ==
          "rules have names, so that names may be asked for");
}

TEST_CASE("limits are part of the comparison")
{
    const auto limit = [](std::string_view l) { return "[limit]\n" + std::string{l}; };
    CHECK(wider(limit("rate = \"1mbit\""), limit("rate = \"2mbit\"")) == "the rate is higher");
    CHECK(wider(limit("rate = \"1mbit\""), "") == "the rate is higher");
    CHECK(wider("", limit("rate = \"1mbit\"")) == "narrower");
    CHECK(wider(limit("connections = 5"), limit("connections = 6")) == "more connections are allowed");
    CHECK(wider(limit("quota = \"1GB/day\""), limit("quota = \"1GB/hour\"")) == "the quota is higher, or its period shorter");
    CHECK(wider(limit("quota = \"1GB/day\""), limit("quota = \"1GB/week\"")) == "narrower");
    const std::string names = "profile = \"deny-all\"\nallow = [\"a.example\"]\n";
    CHECK(wider(names + "tls = \"sni\"", names) == "names in TLS are not compared");
    CHECK(wider(names, names + "tls = \"sni\"") == "narrower");
    CHECK(wider(names + "dns_types = [\"MX\"]", names + "dns_types = [\"MX\", \"TXT\"]") ==
          "more types of records may be asked for");
}
