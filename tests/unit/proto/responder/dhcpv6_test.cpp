#include "proto/base/checksum.hpp"
#include "proto/responder/dhcpv6.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"
#include "tests/support/reference_network.hpp"

#include <string>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr drop_reason answered = drop_reason::count_;

const octets client_id = hex("0001 000a 0003 0001 525400123456");
const octets server_id = hex("0002 000e 0001 0001 2a3b4c5d 9a559a559a55");
const octets other_server = hex("0002 000e 0001 0001 2a3b4c5e 9a559a559a55");
const octets rapid_commit = hex("000e 0000");
const octets our_address = hex("0005 0018 20010db8000500000000000000000010 ffffffff ffffffff");
const octets other_address = hex("0005 0018 20010db8000500000000000000000099 00000e10 00001c20");
const octets other_address_ended = hex("0005 0018 20010db8000500000000000000000099 00000000 00000000");

/// An option around what is already octets.
octets option(std::string_view code, const octets& value)
{
    return hex(code) + octets{static_cast<octet>(value.size() >> 8), static_cast<octet>(value.size())} + value;
}
octets ia_na(std::string_view iaid, const octets& options = {}, std::string_view times = "00000000")
{
    return option("0003", hex(iaid) + hex(times) + hex(times) + options);
}
const octets leased = ia_na("00000007", our_address, "ffffffff");
const octets no_addresses = hex("000d 0002 0002");
const octets not_on_link = option("000d", hex("0004") + text("Prefix not appropriate for link."));
const octets success = hex("000d 0002 0000");
const octets resolvers = hex("0017 0010 20010db8000000000000000000000053");
const octets search = option("0018", hex("07") + text("example") + hex("03") + text("com") + hex("00 03") + text("sub") +
                                         hex("07") + text("example") + hex("03") + text("com") + hex("00"));
octets fqdn(std::string_view flags = "00")
{
    return option("0027",
                  hex(flags) + hex("06") + text("myhost") + hex("07") + text("example") + hex("03") + text("com") + hex("00"));
}

struct exchange {
    guest_network net = reference_network();
    wire::ipv6_packet ip;
    octets frame;

    exchange()
    {
        ip.source = guest_link_local;
        ip.destination = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 1, 2});
    }
    drop_reason sends(std::string_view type, const octets& options)
    {
        const auto message = hex(type) + hex("aabbcc") + options;
        const wire::udp_datagram udp{546, 547, message};
        octets out(1514);
        const auto n = dhcpv6_respond(guest_mac, ip, udp, net, out);
        if (!n)
            return n.why();
        out.resize(*n);
        frame = out;
        return answered;
    }
    /// The DHCPv6 message of the answer, the checksums and lengths around it verified.
    [[nodiscard]] octets message() const
    {
        const auto p = wire::parse_ipv6(bytes_view{frame}.subspan(14));
        REQUIRE(p);
        const auto length = static_cast<std::uint32_t>(p->payload.size());
        CHECK(length + 54 == frame.size());
        CHECK(folded(pseudo_header_sum(p->source, p->destination, wire::protocol_udp, length) + ones_sum(p->payload)) == 0xffff);
        const auto udp = wire::parse_udp(p->payload);
        REQUIRE(udp);
        return copy(udp->payload);
    }
};

const octets information = resolvers + search + fqdn();
octets advertise(const octets& options) { return hex("02 aabbcc") + options; }
octets reply(const octets& options) { return hex("07 aabbcc") + options; }

} // namespace

TEST_CASE("a SOLICIT earns an ADVERTISE with the reference options in their order")
{
    exchange x;
    REQUIRE(x.sends("01", client_id + ia_na("00000007")) == answered);
    CHECK(x.message() == advertise(server_id + leased + client_id + information));
    auto head = octets(x.frame.begin(), x.frame.begin() + 58);
    head[18] = head[19] = 0; // the length: verified by message()
    CHECK(head == hex("525400123456 9a559a559a55 86dd 600abbcc 0000 11 ff fe800000 00000000 00000000 00000001 "
                      "fe800000 00000000 505400ff fe123456 0223 0222"));
}

TEST_CASE("RFC 8415 section 18.3.1: rapid commit earns a REPLY at once")
{
    exchange x;
    REQUIRE(x.sends("01", client_id + ia_na("00000007", other_address) + rapid_commit) == answered);
    CHECK(x.message() == reply(server_id + leased + client_id + rapid_commit + information));
}

TEST_CASE("REQUEST and RENEW with our identifier, REBIND without one, earn the address")
{
    exchange x;
    const auto expected = reply(server_id + leased + client_id + information);
    REQUIRE(x.sends("03", client_id + server_id + ia_na("00000007", our_address)) == answered);
    CHECK(x.message() == expected);
    REQUIRE(x.sends("05", client_id + server_id + ia_na("00000007", our_address)) == answered);
    CHECK(x.message() == expected);
    REQUIRE(x.sends("06", client_id + ia_na("00000007", our_address)) == answered); // was silence before
    CHECK(x.message() == expected);
}

TEST_CASE("a REQUEST for another address earns the reference answer of 152 octets: not on link")
{
    exchange x;
    REQUIRE(x.sends("03", client_id + server_id + ia_na("00000007", other_address)) == answered);
    CHECK(x.frame.size() == 152);
    CHECK(x.message() == reply(server_id + ia_na("00000007", not_on_link) + client_id));
}

TEST_CASE("RFC 8415 section 18.3.4: renewing another address ends it and leases ours")
{
    exchange x;
    const auto expected =
        reply(server_id + ia_na("00000007", our_address + other_address_ended, "ffffffff") + client_id + information);
    REQUIRE(x.sends("05", client_id + server_id + ia_na("00000007", other_address)) == answered);
    CHECK(x.message() == expected);
    REQUIRE(x.sends("06", client_id + ia_na("00000007", other_address)) == answered);
    CHECK(x.message() == expected);
}

TEST_CASE("RFC 8415 section 18.3.3: CONFIRM earns a status of the whole message, not of an association as it was before")
{
    exchange x;
    REQUIRE(x.sends("04", client_id + ia_na("00000007", our_address)) == answered);
    CHECK(x.message() == reply(server_id + success + client_id));
    REQUIRE(x.sends("04", client_id + ia_na("00000007", our_address + other_address)) == answered);
    CHECK(x.message() == reply(server_id + not_on_link + client_id));
    CHECK(x.sends("04", client_id + ia_na("00000007")) == drop_reason::not_for_us);
}

TEST_CASE("RELEASE and DECLINE earn success, where silence was before")
{
    exchange x;
    for (const auto* type : {"08", "09"}) {
        REQUIRE(x.sends(type, client_id + server_id + ia_na("00000007", our_address)) == answered);
        CHECK(x.message() == reply(server_id + success + client_id));
    }
}

TEST_CASE("INFORMATION-REQUEST earns no address, with and without the identifiers")
{
    exchange x;
    REQUIRE(x.sends("0b", {}) == answered);
    CHECK(x.message() == reply(server_id + information));
    REQUIRE(x.sends("0b", client_id + server_id) == answered);
    CHECK(x.message() == reply(server_id + client_id + information));
    CHECK(x.sends("0b", client_id + ia_na("00000007")) == drop_reason::bad_option);
    CHECK(x.sends("0b", client_id + other_server) == drop_reason::not_for_us);
}

TEST_CASE("an address is leased only where IA_NA asks; other associations learn that there is nothing")
{
    exchange x;
    REQUIRE(x.sends("01", client_id) == answered);
    CHECK(x.message() == advertise(server_id + client_id + information));
    REQUIRE(x.sends("01", client_id + hex("0019 000c 00000009 00000000 00000000 0004 0004 00000008") + ia_na("00000007")) ==
            answered);
    CHECK(x.message() == advertise(server_id + hex("0019 0012 00000009 00000000 00000000 000d 0002 0006") +
                                   hex("0004 000a 00000008 000d 0002 0002") + leased + client_id + information));
}

TEST_CASE("of two IA_NA that which has the address keeps it, else the first gets it")
{
    exchange x;
    REQUIRE(x.sends("06", client_id + ia_na("00000006") + ia_na("00000007", our_address)) == answered);
    CHECK(x.message() == reply(server_id + ia_na("00000006", no_addresses) + leased + client_id + information));
    REQUIRE(x.sends("01", client_id + ia_na("00000007") + ia_na("00000008")) == answered);
    CHECK(x.message() == advertise(server_id + leased + ia_na("00000008", no_addresses) + client_id + information));
    x.net.address6 = {};
    REQUIRE(x.sends("01", client_id + ia_na("00000007")) == answered);
    CHECK(x.message() == advertise(server_id + ia_na("00000007", no_addresses) + client_id + information));
}

TEST_CASE("RFC 8415 section 16: messages without the identifiers that they need, or with others, meet silence")
{
    exchange x;
    const auto ia = ia_na("00000007", our_address);
    for (const auto* type : {"01", "03", "04", "05", "06", "08", "09"})
        CHECK(x.sends(type, ia) == drop_reason::bad_option);
    for (const auto* type : {"01", "04", "06"}) // must not name a server
        CHECK(x.sends(type, client_id + server_id + ia) == drop_reason::bad_option);
    for (const auto* type : {"03", "05", "08", "09"}) { // must name us
        CHECK(x.sends(type, client_id + ia) == drop_reason::bad_option);
        CHECK(x.sends(type, client_id + other_server + ia) == drop_reason::not_for_us);
        CHECK(x.sends(type, client_id + hex("0002 0001 00") + ia) == drop_reason::not_for_us);
    }
    for (const auto* type : {"02", "07", "0a"})
        CHECK(x.sends(type, client_id + server_id + ia) == drop_reason::bad_type);
}

TEST_CASE("RFC 4704: a client that wants us to update the name is told that we override it")
{
    exchange x;
    REQUIRE(x.sends("0b", client_id + hex("0027 0002 0100")) == answered);
    CHECK(x.message() == reply(server_id + client_id + resolvers + search + fqdn("02")));
    REQUIRE(x.sends("0b", client_id + hex("0027 0002 0000")) == answered);
    CHECK(x.message() == reply(server_id + client_id + information));
}

TEST_CASE("what the configuration does not have is not announced; an answer never exceeds 1280 octets")
{
    exchange x;
    x.net.resolvers6.clear();
    x.net.fqdn = {};
    x.net.search.clear();
    REQUIRE(x.sends("0b", {}) == answered);
    CHECK(x.message() == reply(server_id));
    domain_name name;
    name.assign(std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + "." + std::string(60, 'd'));
    while (x.net.search.push_back(name)) {
    }
    x.net.fqdn = name;
    REQUIRE(x.sends("01", client_id + ia_na("00000007")) == answered);
    CHECK(x.frame.size() <= 1294);
    CHECK(x.frame.size() > 1100);
    (void)x.message();
}

TEST_CASE("unicast, sources that cannot be answered, switches and a slot that is too small")
{
    exchange x;
    const auto solicit = client_id + ia_na("00000007");
    const auto message = hex("01 aabbcc") + solicit;
    octets small(150);
    CHECK(dhcpv6_respond(guest_mac, x.ip, {546, 547, message}, x.net, small).why() == drop_reason::bad_length);
    x.ip.source = {};
    CHECK(x.sends("01", solicit) == drop_reason::unspecified_address);
    x.ip.source = x.ip.destination;
    CHECK(x.sends("01", solicit) == drop_reason::not_unicast);
    x.ip.source = guest_link_local;
    x.ip.destination = x.net.our_link_local;
    CHECK(x.sends("01", solicit) == drop_reason::not_for_us);
    x.net.dhcpv6 = false;
    CHECK(x.sends("01", solicit) == drop_reason::protocol_disabled);
    x.net.ipv6 = false;
    CHECK(x.sends("01", solicit) == drop_reason::family_disabled);
}

TEST_CASE("a lease of an address that may change lasts ten minutes, and is extended after five")
{
    exchange x;
    x.net.may_change = true;
    REQUIRE(x.sends("05", client_id + server_id + ia_na("00000007", other_address)) == answered);
    const auto ten_minutes = hex("0005 0018 20010db8000500000000000000000010 00000258 00000258");
    CHECK(x.message() == reply(server_id + option("0003", hex("00000007 0000012c 000001e0") + ten_minutes + other_address_ended) +
                               client_id + information));
}
