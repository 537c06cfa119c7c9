#include "proto/base/checksum.hpp"
#include "proto/icmp/quotation.hpp"
#include "proto/icmp/refused.hpp"
#include "proto/icmp/unreachable.hpp"
#include "proto/wire/icmp.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;

namespace {

/// The message as the guest would send it: to whom it quotes as the sender, with a true checksum.
packet packet_of(bool v4, std::vector<octet>& message, const quotation& quoted)
{
    packet p;
    p.kind = v4 ? packet_kind::icmp : packet_kind::icmpv6;
    p.source = quoted.destination;
    p.destination = quoted.source;
    p.l4 = message;
    message[2] = message[3] = 0;
    const auto length = static_cast<std::uint32_t>(message.size());
    const auto pseudo = v4 ? 0 : pseudo_header_sum(p.source, p.destination, wire::protocol_icmpv6, length);
    const be16 checksum = checksum_of(pseudo + ones_sum(message));
    std::memcpy(message.data() + 2, &checksum, sizeof checksum);
    return p;
}

void check(bool v4, std::vector<octet> message)
{
    const auto behind = bytes_view{message}.subspan(sizeof(wire::icmp_header));
    const auto quoted = parse_quotation(v4 ? ip_family::ipv4 : ip_family::ipv6, behind);
    if (!quoted)
        return;
    FUZZ_CHECK(inside(quoted->upper, behind) && quoted->upper.size() + (v4 ? 20 : 40) <= behind.size());
    FUZZ_CHECK(!v4 || quoted->source.is_v4());
    const auto upper = quoted->upper;
    const auto p = packet_of(v4, message, *quoted);
    const auto segment = parse_unreachable(p);
    const auto datagram = refused_datagram(p);
    FUZZ_CHECK(!segment || !datagram);
    if (!segment && !datagram)
        return;
    FUZZ_CHECK(message[0] == (v4 ? wire::icmpv4_unreachable : wire::icmpv6_unreachable) && upper.size() >= 8);
    const auto key = segment ? segment->key : *datagram;
    FUZZ_CHECK(key.protocol == (segment ? wire::protocol_tcp : wire::protocol_udp) && key.protocol == quoted->protocol);
    FUZZ_CHECK(key.guest == p.source && key.remote == p.destination);
    FUZZ_CHECK(key.remote_port == (upper[0] << 8 | upper[1]) && key.guest_port == (upper[2] << 8 | upper[3]));
    FUZZ_CHECK(!segment || (segment->seq.value() >> 24 == upper[4] && (segment->seq.value() & 0xff) == upper[7]));
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < sizeof(wire::icmp_header))
        return 0;
    for (const bool v4 : {true, false})
        check(v4, {data, data + size});
    return 0;
}
