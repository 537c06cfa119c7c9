#include "proto/icmp/refused.hpp"
#include "proto/responder/icmp_error.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/port_unreachable.hpp"

#include <array>

using namespace tapioca;
using tapioca::test::port_unreachable;

namespace {

constexpr auto guest4 = ip_address::v4(192, 0, 2, 10), peer4 = ip_address::v4(198, 51, 100, 7);
constexpr auto guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10});
constexpr auto peer6 = ip_address::v6({0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 7});

/// A guest's error about a datagram from the peer's port 5000 to its own port 8000, as a frame.
struct error_frame {
    error_frame(const ip_address& guest, const ip_address& peer, const icmp_cause& cause, octet protocol = wire::protocol_udp,
                const ip_address& reporter = {})
    {
        icmp_error_request r{.cause = cause};
        r.offender = reporter.is_unspecified() ? guest : reporter;
        r.protocol = protocol;
        r.guest = {peer, 5000}; // who sent the quoted packet
        r.remote = {guest, 8000};
        r.payload = bytes_view{payload};
        r.payload_length = payload.size();
        length = icmp_error(r, room);
        REQUIRE(length != 0);
    }

    [[nodiscard]] packet seen(std::size_t octets) const
    {
        const auto p = classify(bytes_view{room}.first(octets));
        REQUIRE(p);
        return *p;
    }
    [[nodiscard]] std::optional<flow_key> refused() const { return refused_datagram(seen(length)); }

    std::array<octet, 1500> room{};
    std::array<octet, 8> payload{1, 2, 3, 4, 5, 6, 7, 8};
    std::size_t length = 0;
};

} // namespace

TEST_CASE("port unreachable from the guest names the flow of the datagram that it quotes")
{
    const auto four = error_frame(guest4, peer4, port_unreachable(ip_family::ipv4)).refused();
    REQUIRE(four);
    CHECK(*four == flow_key{guest4, peer4, 8000, 5000, wire::protocol_udp});
    const auto six = error_frame(guest6, peer6, port_unreachable(ip_family::ipv6)).refused();
    REQUIRE(six);
    CHECK(*six == flow_key{guest6, peer6, 8000, 5000, wire::protocol_udp});
}

TEST_CASE("other errors, errors about TCP, and errors that others report say nothing about a port")
{
    CHECK_FALSE(error_frame(guest4, peer4, host_unreachable(ip_family::ipv4)).refused());
    CHECK_FALSE(error_frame(guest6, peer6, host_unreachable(ip_family::ipv6)).refused());
    CHECK_FALSE(error_frame(guest4, peer4, port_unreachable(ip_family::ipv4), wire::protocol_tcp).refused());
    CHECK_FALSE(error_frame(guest6, peer6, port_unreachable(ip_family::ipv6), wire::protocol_tcp).refused());
    const auto other = ip_address::v4(192, 0, 2, 66);
    CHECK_FALSE(error_frame(guest4, peer4, port_unreachable(ip_family::ipv4), wire::protocol_udp, other).refused());
}

TEST_CASE("a quoted datagram that ends before its ports is no datagram")
{
    for (const bool v4 : {true, false}) {
        const auto frame = v4 ? error_frame(guest4, peer4, port_unreachable(ip_family::ipv4))
                              : error_frame(guest6, peer6, port_unreachable(ip_family::ipv6));
        auto whole = frame.seen(frame.length);
        const std::size_t through_ports = v4 ? 8U + 20U + 8U : 8U + 40U + 8U;
        for (std::size_t octets = 0; octets <= whole.l4.size(); ++octets) {
            auto cut = whole;
            cut.l4 = whole.l4.first(octets);
            CHECK(refused_datagram(cut).has_value() == (octets >= through_ports));
        }
    }
}
