#include "proto/base/checksum.hpp"
#include "proto/frame/fragment.hpp"
#include "proto/frame/reassembly.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <vector>

using namespace tapioca;

namespace {

std::vector<octet> pattern(std::size_t size)
{
    std::vector<octet> octets(size);
    for (std::size_t i = 0; i < size; ++i)
        octets[i] = static_cast<octet>(i * 13 + i / 251);
    return octets;
}

struct sending {
    outgoing_datagram d;
    std::vector<octet> payload;
    wire::udp_header udp{};

    sending(ip_family family, std::size_t size) : payload(pattern(size))
    {
        const bool v4 = family == ip_family::ipv4;
        const endpoint from{v4 ? ip_address::v4(198, 51, 100, 1) : ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}), 53};
        const endpoint to{v4 ? ip_address::v4(198, 51, 100, 10) : ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 10}), 40000};
        udp = wire::make_udp(from, to, payload);
        d.source = from.address;
        d.destination = to.address;
        d.protocol = wire::protocol_udp;
        d.identification = 0x00010002;
        d.upper_header = octets_of(udp);
        d.payload_length = size;
    }

    std::vector<octet> frame(const outgoing_fragment& f) const
    {
        std::vector<octet> octets(f.headers.begin(), f.headers.end());
        const auto part = bytes_view{payload}.subspan(f.offset, f.length);
        octets.insert(octets.end(), part.begin(), part.end());
        return octets;
    }
};

parsed<reassembled> add(reassembler& frags, bytes_view l3, ip_family family)
{
    if (family == ip_family::ipv4) {
        const auto p = wire::parse_ipv4(l3);
        REQUIRE(p);
        CHECK(folded(ones_sum(l3.first(20))) == 0xffff);
        return frags.add(*p, instant{});
    }
    const auto p = wire::parse_ipv6(l3);
    REQUIRE(p);
    return frags.add(*p, instant{});
}

} // namespace

TEST_CASE("what is split comes together again, at every MTU and in both families")
{
    std::vector<octet> memory(2 * reassembler::slot_size);
    for (const auto family : {ip_family::ipv4, ip_family::ipv6})
        for (const std::size_t size : {0U, 1U, 1400U, 1472U, 1473U, 9000U, 65492U, 65507U})
            for (const std::size_t mtu : {68U, 576U, 1280U, 1499U, 1500U, 65520U}) {
                const sending s{family, size};
                reassembler frags{memory};
                fragmenter out{s.d, mtu};
                parsed<reassembled> whole = drop_reason::truncated;
                std::size_t count = 0;
                for (auto f = out.next(); f; f = out.next(), ++count) {
                    REQUIRE(!whole);
                    const auto frame = s.frame(*f);
                    REQUIRE(frame.size() <= sizeof(wire::ethernet_header) + mtu);
                    whole = add(frags, bytes_view{frame}.subspan(sizeof(wire::ethernet_header)), family);
                    REQUIRE((whole || whole.why() == drop_reason::fragment_held));
                    if (whole && count == 0) { // a packet that is whole lives in the frame
                        CHECK(whole->payload.size() == 8 + size);
                        CHECK(whole->dont_fragment == (family == ip_family::ipv6));
                    } else if (whole) {
                        const auto d = wire::parse_udp(whole->payload);
                        REQUIRE(d);
                        CHECK(std::equal(d->payload.begin(), d->payload.end(), s.payload.begin(), s.payload.end()));
                    }
                }
                CHECK(whole);
                CHECK(count == out.count());
            }
}

TEST_CASE("1473 octets at MTU 1500 make two IPv4 fragments, 1472 one packet, which may be fragmented further on")
{
    const sending one{ip_family::ipv4, 1472};
    fragmenter whole{one.d, 1500};
    CHECK(whole.count() == 1);
    const auto only = wire::parse_ipv4(bytes_view{one.frame(*whole.next())}.subspan(14));
    CHECK(!only->dont_fragment);
    CHECK(only->identification == 2);

    const sending two{ip_family::ipv4, 1473};
    fragmenter split{two.d, 1500};
    CHECK(split.count() == 2);
    const auto first = *split.next();
    CHECK(first.length == 1472);
    CHECK(first.headers.size() == 14 + 20 + 8);
    const auto second = *split.next();
    CHECK(second.offset == 1472);
    CHECK(second.length == 1);
    const auto frame = two.frame(second);
    const auto last = wire::parse_ipv4(bytes_view{frame}.subspan(14));
    CHECK(last->fragment_offset == 1480);
    CHECK(last->identification == 2);
    CHECK(!last->dont_fragment);
    CHECK(!last->more_fragments);
    CHECK(!split.next());
}

TEST_CASE("what IP cannot carry yields no fragments")
{
    CHECK(fragmenter{sending{ip_family::ipv4, 65508}.d, 1500}.count() == 0);
    CHECK(fragmenter{sending{ip_family::ipv6, 65528}.d, 1500}.count() == 0);
    CHECK(fragmenter{sending{ip_family::ipv6, 65527}.d, 1500}.count() == 46);
    CHECK(fragmenter{sending{ip_family::ipv4, 100}.d, 27}.count() == 0);
    CHECK(fragmenter{sending{ip_family::ipv4, 100}.d, 28}.count() == 14);
    sending mixed{ip_family::ipv4, 10};
    mixed.d.source = ip_address{};
    CHECK(!fragmenter{mixed.d, 1500}.next());
}
