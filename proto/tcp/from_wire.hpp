// A segment from the wire as the connection takes it: without its octets.
#pragma once

#include "proto/tcp/connection.hpp"
#include "proto/wire/tcp.hpp"

namespace tapioca::tcp {

[[nodiscard]] inline segment without_octets(const wire::tcp_segment& s) noexcept
{
    segment r{.seq = s.seq, .ack = s.ack, .window = s.window};
    r.syn = s.has(wire::tcp_syn);
    r.fin = s.has(wire::tcp_fin);
    r.rst = s.has(wire::tcp_rst);
    r.has_ack = s.has(wire::tcp_ack);
    r.length = static_cast<std::uint32_t>(s.payload.size() + s.beyond.octets);
    r.mss = s.mss.value_or(0);
    if (s.window_scale)
        r.scale = static_cast<std::int8_t>(*s.window_scale);
    return r;
}

} // namespace tapioca::tcp
