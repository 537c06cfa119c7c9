#include "tests/unit/daemon/policy/policy_support.hpp"

using namespace tapioca;

namespace {

std::string shown(std::string_view text)
{
    const auto target = parse_target(text);
    if (const auto* fault = std::get_if<target_fault>(&target))
        return fault->what + "; " + fault->cure;
    return to_text(std::get<egress_target>(target));
}

} // namespace

TEST_CASE("targets are written in many ways and shown in one")
{
    CHECK(shown("GitHub.COM.:22") == "github.com:22");
    CHECK(shown("*.Example.com") == "*.example.com");
    CHECK(shown("example.com/tcp") == "example.com/tcp");
    CHECK(shown("_dmarc.example.com:53/udp") == "_dmarc.example.com:53/udp");
    CHECK(shown("192.168.1.10:5432/tcp") == "192.168.1.10:5432/tcp");
    CHECK(shown("10.0.0.0/8") == "10.0.0.0/8");
    CHECK(shown("10.0.0.0/8:80,443,444-500/tcp") == "10.0.0.0/8:80,443-500/tcp");
    CHECK(shown("10.0.0.0/8/echo") == "10.0.0.0/8/echo");
    CHECK(shown("192.0.2.1/32:80") == "192.0.2.1:80");
    CHECK(shown("[2001:DB8::1]:443") == "[2001:db8::1]:443");
    CHECK(shown("[2001:db8::]/32:443/udp") == "[2001:db8::]/32:443/udp");
    CHECK(shown("2001:db8::/32") == "[2001:db8::]/32");
    CHECK(shown("2001:db8::/32:443/udp") == "[2001:db8::]/32:443/udp");
    CHECK(shown("[2001:db8::1]") == "[2001:db8::1]");
    CHECK(shown("@lan") == "@lan");
    CHECK(shown("@host:8080/tcp") == "@host:8080/tcp");
    CHECK(shown("0.0.0.0/0:1-65535") == "0.0.0.0/0:1-65535");
}

TEST_CASE("what is shown means the same")
{
    for (const auto* text : {"github.com:22", "*.example.com", "10.0.0.0/8:80,443-500/tcp", "[2001:db8::]/32:443/udp",
                             "@metadata/echo", "[2001:db8::1]/tcp", "192.0.2.1:1-65535"}) {
        const auto first = parse_target(text);
        const auto again = parse_target(to_text(std::get<egress_target>(first)));
        CHECK(std::get<egress_target>(first) == std::get<egress_target>(again));
    }
}

TEST_CASE("each fault of a target has words and a cure")
{
    CHECK(shown("https://example.com") == "a rule has a host and ports, and no URL; write HOST:PORT, as example.com:443");
    CHECK(shown("example.com 443") == "there is a blank in it; one host stands in a rule");
    CHECK(shown("*") == "* alone is no name; every address is 0.0.0.0/0 and [::]/0, and the profile is for what no rule names");
    CHECK(shown("a.*.com") == "* stands only in front, as in *.example.com; write a rule for each name, or for all below one");
    CHECK(shown("example.com:0") == "port 0 is nobody's; ports are 1 to 65535; without one all are meant");
    CHECK(shown("example.com:65536") == "port 65536 does not exist; ports are 1 to 65535");
    CHECK(shown("example.com:20-10") == "the range 20-10 ends before it begins; write the smaller port first");
    CHECK(shown("example.com:") == "a port is missing; write a number, or leave out the colon for all ports");
    CHECK(shown("example.com:80,") == "a port is missing; write a number, or leave out the colon for all ports");
    CHECK(shown("example.com:https") == "\"https\" is no port; ports are numbers, as 443 or 8000-8100");
    CHECK(shown("example.com:443/sctp") == "there is no protocol \"sctp\"; protocols are tcp, udp and echo");
    CHECK(shown("example.com/") == "there is no protocol \"\"; protocols are tcp, udp and echo");
    CHECK(shown("2001:db8::1:443") ==
          "an IPv6 address has to stand in brackets, or its end may be a port; write [2001:db8::1:443] for all "
          "ports, or [...]:PORT");
    CHECK(shown("[2001:db8::1") == "there is no ] behind [; IPv6 is written as [2001:db8::1]:443");
    CHECK(shown("[192.0.2.1]:80") == "there is no IPv6 address between [ and ]; brackets are for IPv6 alone");
    CHECK(shown("[2001:db8::1]443") == "\"443\" stands behind the host; write HOST:PORT/PROTOCOL, as 192.0.2.1:53/udp");
    CHECK(shown("[::ffff:192.0.2.1]").find("write what is mapped as IPv4") != std::string::npos);
    CHECK(shown("10.0.0.1/8") == "the address has bits behind the network's 8; write 10.0.0.0/8");
    CHECK(shown("10.0.0.0/33").find("it is no address and no network") != std::string::npos);
    CHECK(shown("1.2.3.400:80") == "it is neither an address nor a name; addresses are written as 192.0.2.1 or [2001:db8::1]");
    CHECK(shown(std::string("a\0b.example", 11)).find("' is in no name") != std::string::npos);
    CHECK(shown("") == "there is no name; write a name, as example.com");
    CHECK(shown(":443") == "there is no name; write a name, as example.com");
    CHECK(shown("@") == "there is no class @; the classes are @metadata, @lan and @host");
}

TEST_CASE("names have the lengths that DNS allows")
{
    const std::string label(63, 'a'), long_label(64, 'a');
    CHECK(shown(label + ".example") == label + ".example");
    CHECK(shown(long_label + ".example") == "a label has 64 characters; labels have 63 at most");
    const auto name = label + '.' + label + '.' + label + '.' + std::string(61, 'b');
    CHECK(shown(name) == name);
    CHECK(shown(name + 'c') == "it has 254 characters; names have 253 at most");
    CHECK(shown("a..example") == "there is an empty label in it; one dot stands between two labels");
    CHECK(shown(".example") == "there is an empty label in it; one dot stands between two labels");
    CHECK(shown("-a.example").find("a label begins or ends with a hyphen") != std::string::npos);
}

TEST_CASE("names that are not ASCII become A-labels")
{
    CHECK(shown("b\xc3\xbc"
                "cher.example:443") == "xn--bcher-kva.example:443");
    CHECK(shown("*.B\xc3\x9c"
                "CHER.example") == "*.xn--bcher-kva.example");
    CHECK(shown("stra\xc3\x9f"
                "e.example") == "xn--strae-oqa.example");
    CHECK(shown("a\xe3\x80\x82"
                "example") == "a.example");
    CHECK(shown("\xe2\x98\x83\xe2\x80\x8f.example").find("it is no internationalized name: ") == 0);
}

TEST_CASE("where no library can be loaded, such names are refused")
{
    const auto refused = parse_target("b\xc3\xbc"
                                      "cher.example",
                                      name_libraries::stay_out);
    REQUIRE(std::holds_alternative<target_fault>(refused));
    CHECK(std::get<target_fault>(refused).what == "it is not ASCII, and there is no libidn2 to convert it");
    CHECK(std::get<target_fault>(refused).cure == "write its A-labels, which begin with xn--");
    CHECK(std::holds_alternative<egress_target>(parse_target("xn--bcher-kva.example", name_libraries::stay_out)));
}

TEST_CASE("echo is of both families where an address is not of one")
{
    const auto services = [](std::string_view text) { return services_of(std::get<egress_target>(parse_target(text))); };
    CHECK(services("@lan/echo") == std::vector<egress_service>{{wire::protocol_icmp, {}}, {wire::protocol_icmpv6, {}}});
    CHECK(services("[2001:db8::1]/echo") == std::vector<egress_service>{{wire::protocol_icmpv6, {}}});
    CHECK(services("192.0.2.1") == std::vector<egress_service>{{0, {}}});
    CHECK(services("192.0.2.1:1,3/udp") ==
          std::vector<egress_service>{{wire::protocol_udp, {1, 1}}, {wire::protocol_udp, {3, 3}}});
}
