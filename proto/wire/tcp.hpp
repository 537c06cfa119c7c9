// TCP segments (RFC 9293 section 3.1): header, the options that a translator needs, emission.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/sequence.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca::wire {

struct tcp_header {
    be16 source_port, destination_port;
    be32 sequence, acknowledgment;
    octet data_offset; ///< in words, in the upper four bits
    octet flags;
    be16 window, checksum, urgent;
};
static_assert(sizeof(tcp_header) == 20 && wire_header<tcp_header>);

inline constexpr octet tcp_fin = 0x01;
inline constexpr octet tcp_syn = 0x02;
inline constexpr octet tcp_rst = 0x04;
inline constexpr octet tcp_psh = 0x08;
inline constexpr octet tcp_ack = 0x10;
inline constexpr octet tcp_urg = 0x20;

inline constexpr octet tcp_option_mss = 2;
inline constexpr octet tcp_option_window_scale = 3;

} // namespace tapioca::wire
