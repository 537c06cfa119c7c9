#include "proto/base/checksum.hpp"
#include "proto/responder/dhcp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"
#include "tests/support/reference_network.hpp"

#include <algorithm>

#include <string>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr drop_reason answered = drop_reason::count_;
const octets discover = hex("35 01 01");
const octets request = hex("35 01 03");

const octets reference_fqdn =
    hex("51 17 04 ff ff 06") + text("myhost") + hex("07") + text("example") + hex("03") + text("com") + hex("00");
const octets reference_search =
    hex("77 13 07") + text("example") + hex("03") + text("com") + hex("00 03") + text("sub") + hex("c000");
const octets reference_name = hex("0c 06") + text("myhost");
const octets mask = hex("01 04 ffffff00");
const octets router = hex("03 04 c6336401");
const octets resolvers = hex("06 04 c0000235");
const octets mtu = hex("1a 02 fff0");
const octets lease = hex("33 04 ffffffff");
const octets server = hex("36 04 c6336401");
const octets end = hex("ff");

octets reference_options(const octets& type)
{
    return mask + router + resolvers + reference_name + mtu + lease + type + server + reference_fqdn + reference_search + end;
}

struct exchange {
    guest_network net = reference_network();
    octets client = hex("00000000");
    octets relay = hex("00000000");
    octets flags = hex("0000");
    octets frame;

    [[nodiscard]] octets header(std::string_view operation, const octets& ciaddr, const octets& yiaddr) const
    {
        return hex(operation) + hex("01 06 00 deadbeef 0000") + flags + ciaddr + yiaddr + octets(4) + relay +
               hex("525400123456") + octets(10 + 64 + 128) + hex("63825363");
    }
    drop_reason sends(const octets& options)
    {
        octets out(1514);
        const auto n = dhcp_respond(guest_mac, header("01", client, octets(4)) + options, net, out);
        if (!n)
            return n.why();
        out.resize(*n);
        frame = out;
        return answered;
    }

    /// The DHCP message of the answer, the checksums and lengths around it verified.
    [[nodiscard]] octets message() const
    {
        const bytes_view l3 = bytes_view{frame}.subspan(14);
        CHECK(folded(ones_sum(l3.first(20))) == 0xffff);
        const auto ip = wire::parse_ipv4(l3);
        REQUIRE(ip);
        CHECK(ip->payload.size() + 20 == l3.size());
        const auto length = static_cast<std::uint32_t>(ip->payload.size());
        CHECK(folded(pseudo_header_sum(ip->source, ip->destination, wire::protocol_udp, length) + ones_sum(ip->payload)) ==
              0xffff);
        const auto udp = wire::parse_udp(ip->payload);
        REQUIRE(udp);
        CHECK(udp->source_port == 67);
        CHECK(udp->destination_port == 68);
        CHECK(udp->payload.size() + 8 == length);
        return copy(udp->payload);
    }
    [[nodiscard]] octets options() const
    {
        const auto m = message();
        return {m.begin() + 240, m.end()};
    }
    [[nodiscard]] octets destination() const { return {frame.begin() + 30, frame.begin() + 34}; }
    [[nodiscard]] octets yours() const { return {frame.begin() + 58, frame.begin() + 62}; }
};

const octets our_offer = hex("c633640a");

} // namespace

TEST_CASE("a DISCOVER without wishes earns the reference OFFER of 374 octets")
{
    exchange x;
    REQUIRE(x.sends(discover + end) == answered);
    CHECK(x.frame.size() == 374);
    auto head = octets(x.frame.begin(), x.frame.begin() + 42);
    head[24] = head[25] = head[40] = head[41] = 0; // checksums: verified by message()
    CHECK(head == hex("525400123456 9a559a559a55 0800 45 00 0168 0000 4000 ff 11 0000 c6336401 c633640a 0043 0044 0154 0000"));
    CHECK(x.message() == x.header("02", octets(4), our_offer) + reference_options(hex("35 01 02")));
}

TEST_CASE("rapid commit (RFC 4039) earns the reference ACK of 376 octets with option 80")
{
    exchange x;
    REQUIRE(x.sends(discover + hex("50 00") + end) == answered);
    CHECK(x.frame.size() == 376);
    CHECK(x.options() == mask + router + resolvers + reference_name + mtu + lease + hex("35 01 05") + server + hex("50 00") +
                             reference_fqdn + reference_search + end);
}

TEST_CASE("a REQUEST for our address is acknowledged, whichever way it names it")
{
    exchange x;
    const auto acknowledged = reference_options(hex("35 01 05"));
    REQUIRE(x.sends(request + hex("36 04 c6336401 32 04 c633640a") + end) == answered); // selecting
    CHECK(x.options() == acknowledged);
    REQUIRE(x.sends(request + hex("32 04 c633640a") + end) == answered); // after a reboot
    CHECK(x.options() == acknowledged);
    x.client = our_offer; // renewing, rebinding
    REQUIRE(x.sends(request + end) == answered);
    CHECK(x.message() == x.header("02", our_offer, our_offer) + acknowledged);
    x.client = octets(4);
    REQUIRE(x.sends(request + end) == answered); // names none: ours
    CHECK(x.yours() == our_offer);
}

TEST_CASE("a REQUEST for another address earns a NAK to all, where an ACK with ours was sent before")
{
    const auto refused = hex("35 01 06") + server + end + octets(50);
    exchange x;
    REQUIRE(x.sends(request + hex("36 04 c6336401 32 04 c633640b") + end) == answered);
    CHECK(x.message() == x.header("02", octets(4), octets(4)) + refused);
    CHECK(x.destination() == hex("ffffffff"));
    REQUIRE(x.sends(request + hex("32 04 0a000002 37 03 01 03 06") + end) == answered);
    CHECK(x.options() == refused);
    x.client = hex("0a000002");
    REQUIRE(x.sends(request + end) == answered);
    CHECK(x.message() == x.header("02", octets(4), octets(4)) + refused);
}

TEST_CASE("a REQUEST that selects another server meets silence")
{
    exchange x;
    CHECK(x.sends(request + hex("36 04 c0000201 32 04 c633640a") + end) == drop_reason::not_for_us);
}

TEST_CASE("RFC 2131 section 4.3.5: an INFORM earns an ACK to its address, with no address and no lease")
{
    exchange x;
    x.client = hex("c6336417");
    REQUIRE(x.sends(hex("35 01 08") + end) == answered);
    CHECK(x.message() == x.header("02", hex("c6336417"), octets(4)) + mask + router + resolvers + reference_name + mtu +
                             hex("35 01 05") + server + reference_fqdn + reference_search + end);
    CHECK(x.destination() == hex("c6336417"));
}

TEST_CASE("BOOTP requests earn an ACK; DECLINE and RELEASE silence; answers of other servers are refused")
{
    exchange x;
    REQUIRE(x.sends({}) == answered);
    CHECK(x.options() == reference_options(hex("35 01 05")));
    CHECK(x.sends(hex("35 01 04") + end) == drop_reason::not_for_us);
    CHECK(x.sends(hex("35 01 07") + end) == drop_reason::address_news);
    for (const auto* type : {"02", "05", "06"})
        CHECK(x.sends(hex("35 01") + hex(type) + end) == drop_reason::bad_type);
}

TEST_CASE("the client's list of wishes gives the order, unknown and repeated ones skipped, the rest behind")
{
    exchange x;
    REQUIRE(x.sends(discover + hex("37 07 01 03 06 0f 1a 77 0c") + end) == answered);
    CHECK(x.options() == hex("35 01 02") + mask + router + resolvers + mtu + reference_search + reference_name + lease + server +
                             reference_fqdn + end);
    REQUIRE(x.sends(discover + hex("37 05 03 35 03 01 35") + end) == answered);
    CHECK(x.options() == router + hex("35 01 02") + mask + resolvers + reference_name + mtu + lease + server + reference_fqdn +
                             reference_search + end);
}

TEST_CASE("RFC 3442: a gateway outside the subnet is announced with a route to itself")
{
    exchange x;
    x.net.gateway4 = ip_address::v4(192, 0, 2, 1);
    x.net.fqdn = {};
    x.net.search.clear();
    REQUIRE(x.sends(discover + end) == answered);
    CHECK(x.options() == mask + hex("03 04 c0000201") + resolvers + reference_name + mtu + lease + hex("35 01 02") + server +
                             hex("79 0e 20 c0000201 00000000 00 c0000201") + end);
}

TEST_CASE("what the configuration does not have is not announced, and the option area is padded to sixty octets")
{
    exchange x;
    x.net.mtu = 0;
    x.net.resolvers4.clear();
    x.net.search.clear();
    x.net.hostname = {};
    x.net.fqdn = {};
    x.net.gateway4 = {};
    REQUIRE(x.sends(discover + end) == answered);
    CHECK(x.options() == mask + lease + hex("35 01 02") + server + end + octets(60 - 22));
}

TEST_CASE("RFC 6842: a client identifier comes back unaltered, in a NAK, too")
{
    exchange x;
    const auto identifier = hex("3d 07 01 525400123456");
    REQUIRE(x.sends(discover + identifier + end) == answered);
    CHECK(x.options() == mask + router + resolvers + reference_name + mtu + lease + hex("35 01 02") + server + identifier +
                             reference_fqdn + reference_search + end);
    REQUIRE(x.sends(request + identifier + hex("32 04 0a000002") + end) == answered);
    CHECK(x.options() == hex("35 01 06") + server + identifier + end + octets(60 - 19));
}

TEST_CASE("options that overrun 307 octets are skipped, later ones that fit are not")
{
    exchange x;
    x.net.gateway4 = ip_address::v4(192, 0, 2, 1);
    domain_name name;
    name.assign(std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + "." + std::string(50, 'd'));
    x.net.fqdn = name;
    REQUIRE(x.sends(discover + end) == answered);
    const auto options = x.options(); // 45 before it, 240 for the name, so that 22 are left for 119 (21), none for 121
    CHECK(options.size() <= 308);
    CHECK(octets(options.end() - 22, options.end()) == reference_search + end);
}

TEST_CASE("the broadcast flag sends the answer to all, in a frame to the client")
{
    exchange x;
    x.flags = hex("8000");
    REQUIRE(x.sends(discover + end) == answered);
    CHECK(x.destination() == hex("ffffffff"));
    CHECK(octets(x.frame.begin(), x.frame.begin() + 6) == hex("525400123456"));
}

TEST_CASE("relayed requests, switches and a slot that is too small")
{
    exchange x;
    x.relay = hex("c0000201");
    CHECK(x.sends(discover + end) == drop_reason::not_for_us);
    x.relay = octets(4);
    octets small(373);
    CHECK(dhcp_respond(guest_mac, x.header("01", octets(4), octets(4)) + discover, x.net, small).why() ==
          drop_reason::bad_length);
    x.net.address4 = {};
    CHECK(x.sends(discover + end) == drop_reason::unspecified_address);
    x.net.dhcp = false;
    CHECK(x.sends(discover + end) == drop_reason::protocol_disabled);
    x.net.ipv4 = false;
    CHECK(x.sends(discover + end) == drop_reason::family_disabled);
}

TEST_CASE("a lease of an address that may change lasts ten minutes")
{
    exchange x;
    x.net.may_change = true;
    REQUIRE(x.sends(hex("35 01 01 ff")) == answered);
    const auto options = x.options();
    const auto ten_minutes = hex("33 04 00000258");
    CHECK(std::search(options.begin(), options.end(), ten_minutes.begin(), ten_minutes.end()) != options.end());
}

TEST_CASE("an address is given by an ACK, and by nothing else")
{
    const exchange x;
    const auto given = [&x](const octets& options) {
        return address_given_by_dhcp(x.header("01", x.client, octets(4)) + options, x.net);
    };
    CHECK(given(hex("35 01 03 ff")) == x.net.address4.address);
    CHECK(given(hex("35 01 01 50 00 ff")) == x.net.address4.address);
    CHECK(given(hex("35 01 01 ff")).is_unspecified());
    CHECK(given(hex("35 01 03 32 04 c0000299 ff")).is_unspecified());
    CHECK(given(hex("35 01 08 ff")).is_unspecified());
    CHECK(given(hex("35")).is_unspecified());
}
