// Any cause about any flow: no frame, or one whose lengths, checksums and quoted packet are right, and nothing written behind it.
#include "proto/base/checksum.hpp"
#include "proto/responder/icmp_error.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "tests/support/fuzz.hpp"

#include <array>

using namespace tapioca;

namespace {

struct fields {
    octet choices, type, code, protocol;
    be32 info, sequence;
    be16 guest_port, remote_port, payload_length, room;
    octet ttl, tos;
};
static_assert(wire_header<fields>);

ip_address address(bool v4, std::uint16_t last)
{
    return v4 ? ip_address::v4(192, 0, 2, static_cast<octet>(last)) : ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, last});
}

octet protocol_of(const fields& f, bool v4)
{
    switch (f.protocol % 4) {
    case 0:
        return wire::protocol_udp;
    case 1:
        return wire::protocol_tcp;
    case 2:
        return v4 ? wire::protocol_icmp : wire::protocol_icmpv6;
    default:
        return f.protocol;
    }
}

/// The quoted packet is cut off, so its header is looked at without parse_ipv4 and parse_ipv6, which want all of it.
void check_quoted(bytes_view quoted, const icmp_error_request& r)
{
    reader in{quoted};
    if (r.remote.address.is_v4()) {
        const auto h = in.take<wire::ipv4_header>();
        FUZZ_CHECK(h && ip_address{h->source} == r.guest.address && ip_address{h->destination} == r.remote.address);
        FUZZ_CHECK(h->protocol == r.protocol && h->ttl == r.ttl && h->tos == r.tos);
        FUZZ_CHECK(folded(ones_sum(quoted.first(20))) == 0xffff);
        FUZZ_CHECK(h->total_length >= quoted.size());
        FUZZ_CHECK(in.size() >= 8 && in.size() <= 16);
    } else {
        const auto h = in.take<wire::ipv6_header>();
        FUZZ_CHECK(h && ip_address{h->source} == r.guest.address && ip_address{h->destination} == r.remote.address);
        FUZZ_CHECK(h->next_header == r.protocol && h->hop_limit == r.ttl);
        FUZZ_CHECK(h->payload_length >= in.size());
        FUZZ_CHECK(in.size() >= 8 && quoted.size() <= 1280 - 48);
    }
    if (r.protocol == wire::protocol_udp || r.protocol == wire::protocol_tcp)
        FUZZ_CHECK(*in.take<be16>() == r.guest.port && *in.take<be16>() == r.remote.port);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    const auto f = in.take<fields>();
    const bool v4 = (f.choices & 1) != 0;
    icmp_error_request r;
    r.our_mac = {{2, 0, 0, 0, 0, 1}};
    r.guest_mac = {{2, 0, 0, 0, 0, 2}};
    r.offender = address(v4 != ((f.choices & 2) != 0), 3);
    r.cause = {f.type, f.code, f.info};
    r.protocol = protocol_of(f, v4);
    r.guest = {address(v4, 2), f.guest_port};
    r.remote = {address(v4 != ((f.choices & 4) != 0), 7), f.remote_port};
    r.sequence = f.sequence;
    r.ttl = f.ttl;
    r.tos = f.tos;
    r.payload = in.rest();
    r.payload_length = f.payload_length;

    std::array<octet, 1600> out{};
    const octet canary = 0xc5;
    out.fill(canary);
    const std::size_t room = (f.choices & 8) != 0 ? f.room % out.size() : out.size();
    const std::size_t length = icmp_error(r, bytes_span{out}.first(room));
    FUZZ_CHECK(length <= room);
    for (std::size_t i = room; i < out.size(); ++i)
        FUZZ_CHECK(out[i] == canary);
    if (length == 0)
        return 0;

    const auto l3 = bytes_view{out}.first(length).subspan(sizeof(wire::ethernet_header));
    if (r.remote.address.is_v4()) {
        const auto p = wire::parse_ipv4(l3);
        FUZZ_CHECK(p && p->header_length + p->payload.size() == l3.size() && p->protocol == wire::protocol_icmp);
        FUZZ_CHECK(p->source == r.offender && p->destination == r.guest.address);
        FUZZ_CHECK(folded(ones_sum(l3.first(20))) == 0xffff && folded(ones_sum(p->payload)) == 0xffff);
        check_quoted(p->payload.subspan(8), r);
    } else {
        const auto p = wire::parse_ipv6(l3);
        FUZZ_CHECK(p && p->header_length + p->payload.size() == l3.size() && p->protocol == wire::protocol_icmpv6);
        FUZZ_CHECK(p->source == r.offender && p->destination == r.guest.address && l3.size() <= 1280);
        const auto pseudo =
            pseudo_header_sum(p->source, p->destination, wire::protocol_icmpv6, static_cast<std::uint32_t>(p->payload.size()));
        FUZZ_CHECK(folded(pseudo + ones_sum(p->payload)) == 0xffff);
        check_quoted(p->payload.subspan(8), r);
    }
    return 0;
}
