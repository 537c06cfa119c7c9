#include "daemon/client/flow_expression.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace tapioca::client;
namespace json = boost::json;

namespace {

/// 10.0.0.5:40000 to 198.51.100.7:443, through rule 3.
flow_facts usual()
{
    return {.protocol = "tcp",
            .way = "tap",
            .origin = "guest",
            .state = "ESTABLISHED",
            .guest = {ip_address::v4(10, 0, 0, 5), 40000},
            .remote = {ip_address::v4(198, 51, 100, 7), 443},
            .rule = 3};
}

bool fits(std::string_view text, const flow_facts& f = usual()) { return flow_expression::parse(text).fits(f); }

std::string why_not(std::string_view text)
{
    try {
        (void)flow_expression::parse(text);
    } catch (const expression_error& error) {
        return error.what();
    }
    return "it is one";
}

} // namespace

TEST_CASE("comparisons of ports, addresses, states and the rest")
{
    for (const auto* text : {"dport = :443",
                             "dport 443",
                             "dport eq 443",
                             "sport > 1024",
                             "sport != 22",
                             "dport <= 443",
                             "rule = 3",
                             "rule < 4",
                             "dst 198.51.100.0/24",
                             "dst = 198.51.100.7",
                             "dst 198.51.100.7:443",
                             "dst :443",
                             "src 10.0.0.0/8:40000",
                             "dst != 10.0.0.0/8",
                             "state established",
                             "STATE Established",
                             "state estab",
                             "state != syn-sent",
                             "proto tcp",
                             "kind tcp",
                             "kind != tcp-bypass",
                             "way tap",
                             "from guest",
                             "dport=:443",
                             "sport>=40000",
                             ""}) {
        INFO(text);
        CHECK(fits(text));
    }
    for (const auto* text :
         {"dport = :80", "sport < 1024", "dport > 443", "rule 4", "dst 10.0.0.0/8", "dst 198.51.100.7:80", "src :443",
          "state syn-sent", "proto udp", "kind tcp-bypass", "way bypass", "from peer", "dst 2001:db8::/32"}) {
        INFO(text);
        CHECK_FALSE(fits(text));
    }
}

TEST_CASE("IPv6 addresses that have a port stand in brackets")
{
    auto f = usual();
    f.remote.address = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 7});
    for (const auto* text :
         {"dst 2001:db8::7", "dst 2001:db8::/32", "dst [2001:db8::7]", "dst [2001:db8::7]:443", "dst [2001:db8::]/32:443"}) {
        INFO(text);
        CHECK(fits(text, f));
    }
    CHECK_FALSE(fits("dst [2001:db8::7]:80", f));
    CHECK_FALSE(fits("dst 0.0.0.0/0", f));
}

TEST_CASE("and binds more tightly than or, and not than both; and may be left out")
{
    CHECK(fits("dport 80 and sport 1 or dport 443"));
    CHECK(fits("dport 443 or dport 80 and sport 1"));
    CHECK_FALSE(fits("(dport 443 or dport 80) and sport 1"));
    CHECK(fits("not dport 80 and dport 443"));
    CHECK_FALSE(fits("not (dport 80 or dport 443)"));
    CHECK(fits("not not dport 443"));
    CHECK(fits("! dport 80 && ( sport = 40000 | proto udp )"));
    CHECK(fits("proto tcp dport 443 state established"));
    CHECK(fits("dport = :443 and dst 198.51.100.0/24"));
}

TEST_CASE("a flow without a rule is of no rule, and none is what it differs from")
{
    auto f = usual();
    f.rule.reset();
    CHECK_FALSE(fits("rule = 3", f));
    CHECK_FALSE(fits("rule < 4", f));
    CHECK(fits("rule != 3", f));
}

TEST_CASE("what is no expression is named")
{
    CHECK(why_not("dport") == "a value is missing at its end");
    CHECK(why_not("dport = ") == "a value is missing at its end");
    CHECK(why_not("dport = 70000") == "'70000' is no number for dport");
    CHECK(why_not("dport = http") == "'http' is no number for dport");
    CHECK(why_not("colour = red") == "'colour' is none of sport, dport, src, dst, state, proto, kind, way, from and rule");
    CHECK(why_not("dst 10.0.0.0/33") == "'10.0.0.0/33' is no address for dst");
    CHECK(why_not("dst [2001:db8::1") == "']' is missing in '[2001:db8::1'");
    CHECK(why_not("state red") == "there is no state 'red'");
    CHECK(why_not("state < established") == "'state' has no order: use = or !=");
    CHECK(why_not("( dport 1") == "')' is missing");
    CHECK(why_not("dport 1 )") == "unexpected ')'");
    CHECK(why_not("dport 1 or") == "a comparison is missing at its end");
    CHECK(why_not(std::string(1000, '(')) == "too many parentheses");
    CHECK(why_not(std::string(5000, ' ')) == "it is too long");
}

TEST_CASE("the instance is asked for what every flow has to be that fits")
{
    const auto filter = [](std::string_view text) { return flow_expression::parse(text).filter(); };
    CHECK(filter("dport = :443 and dst 10.0.0.0/8") == json::object{{"remote_port", 443}, {"remote_address", "10.0.0.0/8"}});
    CHECK(filter("kind udp-bypass and from peer and rule 2") ==
          json::object{{"protocol", "udp"}, {"way", "bypass"}, {"origin", "peer"}, {"rule", 2}});
    CHECK(filter("state estab and src :53") == json::object{{"state", "ESTABLISHED"}, {"guest_port", 53}});
    CHECK(filter("dport 1 or dport 2").empty());
    CHECK(filter("not dport 1").empty());
    CHECK(filter("dport != 1").empty());
    CHECK(filter("dport 1 and dport 2") == json::object{{"remote_port", 1}}); // the rest is for who asks
    CHECK(filter("").empty());
}

TEST_CASE("the facts of a flow as it is listed")
{
    const json::object listed{{"id", "0.tcp.1.1"},
                              {"protocol", "tcp"},
                              {"way", "bypass"},
                              {"origin", "peer"},
                              {"state", "SYN-SENT"},
                              {"guest", {{"address", "127.0.0.1"}, {"port", 80}}},
                              {"remote", {{"address", "::1"}, {"port", 65535}}}};
    const auto facts = facts_of(listed);
    REQUIRE(facts);
    CHECK(flow_expression::parse("kind tcp-bypass and from peer and state syn-sent and src 127.0.0.1:80 and dst [::1]:65535")
              .fits(*facts));
    CHECK_FALSE(facts_of({}));
}
