#include "proto/responder/arp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"
#include "tests/support/reference_network.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr drop_reason answered = drop_reason::count_;

struct exchange {
    guest_network net = reference_network();
    octets frame;

    drop_reason asks(const octets& arp, const mac_address& source = guest_mac)
    {
        octets out(1514);
        const auto n = arp_respond(source, arp, net, out);
        if (!n)
            return n.why();
        out.resize(*n);
        frame = out;
        return answered;
    }
};

octets who_has(std::string_view sender, std::string_view target)
{
    return hex("0001 0800 06 04 0001 525400123456") + hex(sender) + hex("000000000000") + hex(target);
}

} // namespace

TEST_CASE("ARP for the gateway and for any foreign address is answered with our Ethernet address")
{
    exchange x;
    REQUIRE(x.asks(who_has("c633640a", "c6336401")) == answered);
    CHECK(x.frame == hex("525400123456 9a559a559a55 0806 0001 0800 06 04 0002 9a559a559a55 c6336401 525400123456 c633640a"));
    REQUIRE(x.asks(who_has("c633640a", "08080808")) == answered);
    CHECK(x.frame == hex("525400123456 9a559a559a55 0806 0001 0800 06 04 0002 9a559a559a55 08080808 525400123456 c633640a"));
}

TEST_CASE("RFC 5227: probes for addresses that are not ours and announcements meet silence")
{
    exchange x;
    CHECK(x.asks(who_has("00000000", "c633640a")) == drop_reason::address_news);
    CHECK(x.asks(who_has("c633640b", "c633640a")) == drop_reason::address_news);
    CHECK(x.asks(who_has("c633640b", "c633640b")) == drop_reason::address_news);
    for (const auto* free : {"c633640b", "a9fe0707", "08080808"}) // on the link, link-local, anywhere
        CHECK(x.asks(who_has("00000000", free)) == drop_reason::address_news);
}

TEST_CASE("RFC 5227: a probe for an address that is ours, or stands for the host, is answered")
{
    exchange x;
    CHECK(x.asks(who_has("00000000", "c6336401")) == answered);
    x.net.our_address4 = ip_address::v4(169, 254, 2, 2);
    CHECK(x.asks(who_has("00000000", "a9fe0202")) == answered);
    CHECK(x.asks(who_has("00000000", "c63364fe")) == drop_reason::address_news);
    x.net.stand_ins.push_back(ip_address::v4(198, 51, 100, 254));
    CHECK(x.asks(who_has("00000000", "c63364fe")) == answered);
}

TEST_CASE("the probe that looks for a translator, all addresses zero from the broadcast address, gets its reply")
{
    exchange x;
    const auto probe = hex("0001 0800 06 04 0001 000000000000 00000000 000000000000 00000000");
    REQUIRE(x.asks(probe, mac_address::broadcast()) == answered);
    CHECK(x.frame == hex("ffffffffffff 9a559a559a55 0806 0001 0800 06 04 0002 9a559a559a55 00000000 000000000000 00000000"));
}

TEST_CASE("ARP replies, unknown operations, a disabled family and too small a slot meet silence")
{
    exchange x;
    auto arp = who_has("c633640a", "c6336401");
    arp[7] = 2;
    CHECK(x.asks(arp) == drop_reason::address_news);
    arp[7] = 3;
    CHECK(x.asks(arp) == drop_reason::bad_type);
    arp[7] = 1;
    octets small(41);
    CHECK(arp_respond(guest_mac, arp, x.net, small).why() == drop_reason::bad_length);
    x.net.ipv4 = false;
    CHECK(x.asks(arp) == drop_reason::family_disabled);
}

TEST_CASE("the first thing a guest hears is a request for its address from ours")
{
    octets out(1514);
    auto net = reference_network();
    const auto n = arp_request(net, out);
    CHECK(octets(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n)) ==
          hex("ffffffffffff 9a559a559a55 0806 0001 0800 06 04 0001 9a559a559a55 c6336401 ffffffffffff c633640a"));
    net.address4 = {};
    CHECK(arp_request(net, out) == 0);
}
