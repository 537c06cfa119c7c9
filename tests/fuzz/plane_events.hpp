// The events of the plane target, and what their octets choose among.
#pragma once

#include "daemon/os/batch_io.hpp"
#include "tests/fuzz/plane_world.hpp"

#include <cerrno>

namespace tapioca::test {

struct event {
    octet what, flow, flags, seq, ack, more;
    be16 length;
};
static_assert(sizeof(event) == 8 && wire_header<event>);

inline plane_setup setup_of(octet o)
{
    constexpr std::uint16_t mtus[] = {65520, 1500, 1280, 9000};
    plane_setup s;
    s.mtu = mtus[o & 3];
    s.peek_offset = (o & 4) != 0;
    s.offered = {.checksum = true, .tso = (o & 8) == 0, .uso = (o & 16) == 0};
    s.mapped = (o & 32) != 0;
    s.traced = (o & 64) != 0;
    return s;
}

inline int error_of(octet o)
{
    constexpr int errors[] = {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EACCES, ENOBUFS, EPIPE};
    return errors[o % std::size(errors)];
}

/// How far a sequence number is off: mostly not at all, sometimes a little, at times far.
inline std::int32_t offset(octet o)
{
    if (o < 192)
        return o % 2 == 0 ? 0 : o / 2 - 40;
    return (o - 224) * 3000;
}

/// A message of the kernel's sizes: what UDP_SEGMENT cuts has its pieces in equal sizes, at most 64 of them (udp(7)).
inline void check_message(const os::outgoing& m)
{
    std::size_t octets = 0;
    for (const auto piece : m.pieces)
        octets += piece.size();
    FUZZ_CHECK(!m.pieces.empty() && octets <= 65535);
    if (m.segment != 0)
        FUZZ_CHECK(octets > m.segment && (octets + m.segment - 1) / m.segment <= 64);
}

} // namespace tapioca::test
