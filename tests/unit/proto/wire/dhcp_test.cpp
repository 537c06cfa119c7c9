#include "proto/wire/dhcp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

namespace {

octets request_with(const octets& options)
{
    return hex("01 01 06 00 12345678 0001 8000") + octets(224) + hex("63825363") + options;
}

} // namespace

TEST_CASE("a DHCP request's options are read, padding between them included")
{
    const auto message =
        request_with(hex("00 35 01 03 00 00 32 04 c633640a 36 04 c6336401 37 02 01 03 3d 03 010203 50 00 ff 35"));
    const auto r = parse_dhcp_request(message);
    REQUIRE(r);
    CHECK(r->header.transaction == 0x12345678U);
    CHECK(r->header.flags == dhcp_broadcast_flag);
    CHECK(r->type == dhcp_type::request);
    CHECK(r->requested == ip_address::v4(198, 51, 100, 10));
    CHECK(r->server == ip_address::v4(198, 51, 100, 1));
    REQUIRE(r->parameters);
    CHECK(copy(*r->parameters) == hex("01 03"));
    CHECK(copy(r->client_identifier) == hex("010203"));
    CHECK(r->rapid_commit);
}

TEST_CASE("a request without options is BOOTP")
{
    const auto r = parse_dhcp_request(request_with({}));
    REQUIRE(r);
    CHECK(r->type == dhcp_type::bootp);
    CHECK(!r->parameters);
    CHECK(!r->requested);
}

TEST_CASE("RFC 2132 section 9.3: option 52 makes the file and server name fields carry options")
{
    auto message = request_with(hex("34 01 03 ff"));
    const auto server_name = hex("32 04 c633640a ff");
    const auto file = hex("35 01 01 ff");
    std::copy(server_name.begin(), server_name.end(), message.begin() + 44);
    std::copy(file.begin(), file.end(), message.begin() + 108);
    const auto r = parse_dhcp_request(message);
    REQUIRE(r);
    CHECK(r->type == dhcp_type::discover);
    CHECK(r->requested == ip_address::v4(198, 51, 100, 10));
}

TEST_CASE("DHCP messages that contradict themselves are refused")
{
    CHECK(parse_dhcp_request(request_with(hex("35 02 01"))).why() == drop_reason::bad_option);
    CHECK(parse_dhcp_request(request_with(hex("35 02 01 01"))).why() == drop_reason::bad_option);
    CHECK(parse_dhcp_request(request_with(hex("35"))).why() == drop_reason::bad_option);
    CHECK(parse_dhcp_request(request_with(hex("32 03 010203"))).why() == drop_reason::bad_option);
    CHECK(parse_dhcp_request(request_with(hex("36 05 0102030405"))).why() == drop_reason::bad_option);
    CHECK(parse_dhcp_request(request_with(hex("35 01 00"))).why() == drop_reason::bad_type);
    CHECK(parse_dhcp_request(request_with(hex("35 01 09"))).why() == drop_reason::bad_type);
    auto message = request_with({});
    message[0] = 2;
    CHECK(parse_dhcp_request(message).why() == drop_reason::bad_type);
    message = request_with({});
    message[2] = 17;
    CHECK(parse_dhcp_request(message).why() == drop_reason::bad_length);
    message = request_with({});
    message[239] = 0;
    CHECK(parse_dhcp_request(message).why() == drop_reason::bad_type);
    message.resize(239);
    CHECK(parse_dhcp_request(message).why() == drop_reason::truncated);
}
