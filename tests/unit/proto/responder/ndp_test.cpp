#include "proto/base/checksum.hpp"
#include "proto/responder/ndp.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"
#include "tests/support/reference_network.hpp"

#include <algorithm>
#include <string>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr drop_reason answered = drop_reason::count_;
const auto unspecified = ip_address{};
const auto all_routers = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 2});
const auto gateway_group = ip_address::v6({0xff02, 0, 0, 0, 0, 1, 0xff00, 1});

const octets router_solicitation = hex("85 00 0000 00000000");
octets solicitation_of(std::string_view target) { return hex("87 00 0000 00000000") + hex(target); }
const octets gateway_solicitation = solicitation_of("fe80 0000 0000 0000 0000 0000 0000 0001");

octets put_checksum(octets message, const ip_address& source, const ip_address& destination)
{
    const auto pseudo = pseudo_header_sum(source, destination, wire::protocol_icmpv6, static_cast<std::uint32_t>(message.size()));
    const auto sum = checksum_of(pseudo + ones_sum(message));
    message[2] = static_cast<octet>(sum >> 8);
    message[3] = static_cast<octet>(sum);
    return message;
}

struct exchange {
    guest_network net = reference_network();
    wire::ipv6_packet ip;
    octets frame;

    explicit exchange(const ip_address& source = guest_link_local, const ip_address& destination = gateway_group)
    {
        ip.source = source;
        ip.destination = destination;
        ip.hop_limit = 255;
        ip.protocol = wire::protocol_icmpv6;
    }
    drop_reason sends_as_it_is(const octets& message)
    {
        ip.payload = message;
        octets out(1514);
        const auto n = ndp_respond(guest_mac, ip, net, out);
        if (!n)
            return n.why();
        out.resize(*n);
        frame = out;
        return answered;
    }
    drop_reason sends(const octets& message) { return sends_as_it_is(put_checksum(message, ip.source, ip.destination)); }

    /// The ICMPv6 message of the answer, its checksum verified and set to zero.
    octets message()
    {
        const auto p = wire::parse_ipv6(bytes_view{frame}.subspan(14));
        REQUIRE(p);
        const auto pseudo =
            pseudo_header_sum(p->source, p->destination, wire::protocol_icmpv6, static_cast<std::uint32_t>(p->payload.size()));
        CHECK(folded(pseudo + ones_sum(p->payload)) == 0xffff);
        auto octets = copy(p->payload);
        octets[2] = octets[3] = 0;
        return octets;
    }
};

const octets reference_advertisement_head = hex("86 00 0000 ff 80 ffff 00000000 00000000");
const octets reference_prefix = hex("03 04 40 c0 ffffffff ffffffff 00000000 20010db8 00050000 00000000 00000000");
const octets reference_dns = hex("19 03 0000 ffffffff 20010db8 00000000 00000000 00000053 1f 05 0000 ffffffff 07") +
                             text("example") + hex("03") + text("com") + hex("00 03") + text("sub") + hex("07") +
                             text("example") + hex("03") + text("com") + hex("00 0000");

} // namespace

TEST_CASE("a solicitation of the gateway is answered: router, solicited, override, our Ethernet address")
{
    exchange x;
    REQUIRE(x.sends(gateway_solicitation) == answered);
    CHECK(octets(x.frame.begin(), x.frame.begin() + 54) ==
          hex("525400123456 9a559a559a55 86dd 60000000 0020 3a ff fe800000 00000000 00000000 00000001 "
              "fe800000 00000000 505400ff fe123456"));
    CHECK(x.message() == hex("88 00 0000 e0000000 fe80 0000 0000 0000 0000 0000 0000 0001 0201 9a559a559a55"));
    CHECK(x.sends(solicitation_of("20010db8 00090000 00000000 00000001") + hex("0101 525400123456")) == answered);
}

TEST_CASE("duplicate address detection, the guest's own address and self-resolution meet silence")
{
    exchange dad{unspecified};
    CHECK(dad.sends(gateway_solicitation) == drop_reason::address_news);
    exchange x;
    CHECK(x.sends(solicitation_of("20010db8 00050000 00000000 00000010")) == drop_reason::address_news);
    CHECK(x.sends(solicitation_of("fe800000 00000000 505400ff fe123456")) == drop_reason::address_news);
}

TEST_CASE("RFC 4861 section 7.1.1: a solicitation that fails validation meets silence")
{
    exchange x;
    x.ip.hop_limit = 254;
    CHECK(x.sends(gateway_solicitation) == drop_reason::bad_hop_limit);
    x.ip.hop_limit = 255;
    CHECK(x.sends_as_it_is(gateway_solicitation) == drop_reason::bad_checksum);
    auto message = gateway_solicitation;
    message[1] = 1;
    CHECK(x.sends(message) == drop_reason::bad_type);
    CHECK(x.sends(hex("87 00 0000 00000000 fe80 0000 0000 0000 0000 0000 0000")) == drop_reason::truncated);
    CHECK(x.sends(solicitation_of("ff020000 00000000 00000001 ff000001")) == drop_reason::not_unicast);
    CHECK(x.sends(gateway_solicitation + hex("0100 525400123456")) == drop_reason::bad_option);
    CHECK(x.sends(gateway_solicitation + hex("0102 525400123456")) == drop_reason::bad_option);
    CHECK(x.sends(gateway_solicitation + hex("01")) == drop_reason::truncated);
    exchange dad{unspecified};
    CHECK(dad.sends(gateway_solicitation + hex("0101 525400123456")) == drop_reason::bad_option);
}

TEST_CASE("RFC 6980: a fragmented solicitation meets silence")
{
    exchange x;
    x.ip.fragment = true;
    CHECK(x.sends(gateway_solicitation) == drop_reason::extension_header);
}

TEST_CASE("the probe with a loopback source and checksum zero meets silence, as ever")
{
    exchange x{ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1}), unspecified};
    CHECK(x.sends_as_it_is(solicitation_of("00000000 00000000 00000000 00000000")) == drop_reason::loopback_address);
}

TEST_CASE("a router solicitation earns the reference advertisement, but for the host bits of the prefix, which we clear")
{
    exchange x{guest_link_local, all_routers};
    REQUIRE(x.sends(router_solicitation + hex("0101 525400123456")) == answered);
    CHECK(x.frame.size() == 182);
    CHECK(octets(x.frame.begin(), x.frame.begin() + 54) ==
          hex("525400123456 9a559a559a55 86dd 60000000 0080 3a ff fe800000 00000000 00000000 00000001 "
              "fe800000 00000000 505400ff fe123456"));
    CHECK(x.message() ==
          reference_advertisement_head + reference_prefix + hex("0101 9a559a559a55 0501 0000 0000fff0") + reference_dns);
}

TEST_CASE("a router solicitation without a source address is answered to all nodes")
{
    exchange x{unspecified, all_routers};
    REQUIRE(x.sends(router_solicitation) == answered);
    CHECK(octets(x.frame.begin(), x.frame.begin() + 6) == hex("333300000001"));
    CHECK(octets(x.frame.begin() + 38, x.frame.begin() + 54) == hex("ff020000 00000000 00000000 00000001"));
    CHECK(x.sends(router_solicitation + hex("0101 525400123456")) == drop_reason::bad_option);
    CHECK(x.sends(hex("85 00 0000 0000")) == drop_reason::truncated);
}

TEST_CASE("what the configuration does not have is not advertised")
{
    exchange x{guest_link_local, all_routers};
    x.net.mtu = 0;
    x.net.dhcpv6 = false;
    x.net.address6 = {};
    x.net.resolvers6.clear();
    REQUIRE(x.sends(router_solicitation) == answered);
    CHECK(x.message() == hex("86 00 0000 ff 00 ffff 00000000 00000000 0101 9a559a559a55"));
}

TEST_CASE("an advertisement never exceeds 1280 octets: search domains beyond are left out, shorter ones still fit")
{
    exchange x{guest_link_local, all_routers};
    x.net.search.clear();
    const std::string label = std::string(61, 'a') + ".";
    for (int i = 0; i < 5; ++i) {
        domain_name name;
        name.assign(label + label + label + std::string(61, static_cast<char>('a' + i)));
        x.net.search.push_back(name);
    }
    domain_name last;
    last.assign("example.com");
    x.net.search.push_back(last);
    REQUIRE(x.sends(router_solicitation) == answered);
    CHECK(x.frame.size() <= 1294);
    CHECK(x.frame.size() > 1150);
    const auto wire = x.message();
    const std::string_view view{reinterpret_cast<const char*>(wire.data()), wire.size()};
    CHECK(view.find("example") != std::string_view::npos);
    CHECK(view.find("eeeee") == std::string_view::npos);
}

TEST_CASE("advertisements and redirects of the guest are swallowed, other types refused")
{
    exchange x;
    CHECK(x.sends(hex("88 00 0000 00000000")) == drop_reason::address_news);
    for (const auto* type : {"86", "89"})
        CHECK(x.sends(hex(type) + hex("00 0000 00000000")) == drop_reason::not_for_us);
    CHECK(x.sends(hex("8a 00 0000 00000000")) == drop_reason::bad_type);
    CHECK(x.sends_as_it_is({}) == drop_reason::truncated);
}

TEST_CASE("switches: no IPv6, no NDP, no router advertisements; and a slot that is too small")
{
    exchange x;
    octets small(85);
    const auto message = put_checksum(gateway_solicitation, x.ip.source, x.ip.destination);
    x.ip.payload = message;
    CHECK(ndp_respond(guest_mac, x.ip, x.net, small).why() == drop_reason::bad_length);
    x.net.ra = false;
    CHECK(x.sends(router_solicitation) == drop_reason::router_solicitation);
    CHECK(x.sends(gateway_solicitation) == answered);
    x.net.ndp = false;
    CHECK(x.sends(gateway_solicitation) == drop_reason::protocol_disabled);
    x.net.ipv6 = false;
    CHECK(x.sends(gateway_solicitation) == drop_reason::family_disabled);
}

TEST_CASE("the first thing a guest hears over IPv6 is a solicitation of its address")
{
    exchange x;
    octets out(1514);
    out.resize(neighbour_solicitation(x.net, out));
    x.frame = out;
    CHECK(x.frame.size() == 78);
    CHECK(octets(x.frame.begin(), x.frame.begin() + 54) ==
          hex("ffffffffffff 9a559a559a55 86dd 60000000 0018 3a ff fe800000 00000000 00000000 00000001 "
              "20010db8 00050000 00000000 00000010"));
    CHECK(x.message() == hex("87 00 0000 00000000 20010db8 00050000 00000000 00000010"));
}

TEST_CASE("what may change is advertised for a while, and what was before as over")
{
    exchange x{guest_link_local, all_routers};
    x.net.may_change = true;
    x.net.search.clear();
    x.net.withdrawn.push_back({{ip_address::v4(192, 0, 2, 2), 32}, 7200});
    x.net.withdrawn.push_back({{ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 0}), 64}, 7000});
    x.net.withdrawn_resolvers.push_back(ip_address::v4(192, 0, 2, 53));
    x.net.withdrawn_resolvers.push_back(ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 0x53}));
    REQUIRE(x.sends(router_solicitation) == answered);
    const auto message = x.message();
    const auto has = [&message](const octets& part) {
        return std::search(message.begin(), message.end(), part.begin(), part.end()) != message.end();
    };
    CHECK((message[6] == 0x07 && message[7] == 0x08)); // 1800 s as a router
    CHECK(has(hex("03 04 40 c0 00001c20 00000708 00000000")));
    CHECK(has(hex("03 04 40 c0 00001b58 00000000 00000000 20010db8000900000000000000000000")));
    CHECK(has(hex("19 03 0000 00000708")));
    CHECK(has(hex("19 03 0000 00000000 20010db8000900000000000000000053")));
}
