#include "proto/icmp/unreachable.hpp"

#include "proto/responder/icmp_error.hpp"
#include "proto/wire/icmp.hpp"
#include "tests/support/catch.hpp"

#include <vector>

namespace tapioca {
namespace {

constexpr auto guest4 = ip_address::v4(192, 0, 2, 15), peer4 = ip_address::v4(198, 51, 100, 7);
constexpr auto guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 15}),
               peer6 = ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 7});

/// A frame in which `offender` says that a segment from the peer to the guest did not get through.
std::vector<octet> frame_of(bool v4, icmp_cause cause, octet protocol = wire::protocol_tcp)
{
    icmp_error_request r{.our_mac = mac_address{{2, 0, 0, 0, 0, 1}}, .guest_mac = mac_address{{2, 0, 0, 0, 0, 2}}};
    r.offender = v4 ? guest4 : guest6;
    r.cause = cause;
    r.protocol = protocol;
    r.guest = {v4 ? peer4 : peer6, 40'000};
    r.remote = {v4 ? guest4 : guest6, 80};
    r.sequence = 0x1234'5678;
    r.payload_length = 12;
    std::vector<octet> frame(1514);
    frame.resize(icmp_error(r, frame));
    REQUIRE_FALSE(frame.empty());
    return frame;
}

parsed<unreachable_segment> parse(const std::vector<octet>& frame)
{
    const auto p = classify(frame);
    REQUIRE(p);
    return parse_unreachable(*p);
}

std::size_t icmp_at(bool v4) { return v4 ? 34 : 54; }

} // namespace

TEST_CASE("the segment that an unreachable message quotes names its flow and its number")
{
    for (const bool v4 : {true, false}) {
        const auto got = parse(frame_of(v4, v4 ? icmp_cause{3, 3} : icmp_cause{1, 4}));
        REQUIRE(got);
        CHECK(got->key == flow_key{v4 ? guest4 : guest6, v4 ? peer4 : peer6, 80, 40'000, wire::protocol_tcp});
        CHECK(got->seq == seq_number{0x1234'5678});
    }
}

TEST_CASE("of ICMP messages only unreachable ones about TCP refuse a segment")
{
    CHECK(parse(frame_of(true, {3, 4, 1400})).why() == drop_reason::bad_type);
    CHECK(parse(frame_of(true, {11, 0})).why() == drop_reason::bad_type);
    CHECK(parse(frame_of(false, {2, 0, 1400})).why() == drop_reason::bad_type);
    CHECK(parse(frame_of(false, {3, 0})).why() == drop_reason::bad_type);
    CHECK(parse(frame_of(true, {3, 3}, wire::protocol_udp)).why() == drop_reason::bad_type);
    CHECK(parse(frame_of(false, {1, 4}, wire::protocol_udp)).why() == drop_reason::bad_type);
}

TEST_CASE("an unreachable message that goes to another node than the quoted packet's sender is not believed")
{
    for (const bool v4 : {true, false}) {
        auto frame = frame_of(v4, v4 ? icmp_cause{3, 3} : icmp_cause{1, 4});
        frame[icmp_at(v4) - 1] ^= 1;
        CHECK(parse(frame).why() == drop_reason::not_for_us);
    }
}

TEST_CASE("an unreachable message that was damaged or cut says nothing")
{
    for (const bool v4 : {true, false}) {
        const auto whole = frame_of(v4, v4 ? icmp_cause{3, 3} : icmp_cause{1, 4});
        const auto at = icmp_at(v4);
        auto damaged = whole;
        damaged.back() ^= 1;
        CHECK(parse(damaged).why() == drop_reason::bad_checksum);
        auto p = classify(whole);
        REQUIRE(p);
        for (std::size_t length = 0; length < 8 + (v4 ? 20U : 40U) + 8; ++length) {
            p->l4 = bytes_view{whole}.subspan(at, length);
            CHECK_FALSE(parse_unreachable(*p));
        }
    }
}

TEST_CASE(
    "a quotation must be of the message's own family, with a header of at least twenty octets, and of a datagram's beginning")
{
    const auto changed = [](std::size_t octet_at, octet value) {
        auto frame = frame_of(true, {3, 3});
        frame[icmp_at(true) + 8 + octet_at] = value;
        return parse(frame).why();
    };
    CHECK(changed(0, 0x65) == drop_reason::bad_version);
    CHECK(changed(0, 0x44) == drop_reason::bad_header_length);
    CHECK(changed(7, 1) == drop_reason::bad_type); // fragment offset
    auto frame = frame_of(false, {1, 4});
    frame[icmp_at(false) + 8] = 0x45;
    CHECK(parse(frame).why() == drop_reason::bad_version);
}

} // namespace tapioca
