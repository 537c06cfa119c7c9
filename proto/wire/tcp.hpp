// TCP segments (RFC 9293 section 3.1): header, the options that a translator needs (RFC 9293 section 3.7.1, RFC 7323 section 2),
// emission.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/sequence.hpp"
#include "proto/wire/protocol.hpp"

#include <optional>

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
inline constexpr octet most_window_scale = 14;         ///< RFC 7323 section 2.3: a larger shift counts as this one
inline constexpr std::size_t longest_tcp_options = 40; ///< what a data offset of 15 words leaves

struct tcp_segment {
    std::uint16_t source_port = 0, destination_port = 0;
    seq_number seq, ack;      ///< `ack` means something only with tcp_ack
    std::uint16_t window = 0; ///< as it stands, not scaled
    octet flags = 0;
    octet header_length = 0;           ///< in octets, options included
    std::optional<std::uint16_t> mss;  ///< of a SYN, never zero
    std::optional<octet> window_scale; ///< of a SYN, at most `most_window_scale`
    bytes_view payload;
    scattered_view beyond; ///< what follows it, of a segment in pieces

    [[nodiscard]] constexpr bool has(octet flag) const noexcept { return (flags & flag) != 0; }
    [[nodiscard]] constexpr bool begins_connection() const noexcept { return has(tcp_syn) && !has(tcp_ack) && !has(tcp_rst); }
    /// What the segment occupies in sequence space: its payload, and one each for SYN and FIN.
    [[nodiscard]] constexpr std::uint32_t length() const noexcept
    {
        return static_cast<std::uint32_t>(payload.size() + beyond.octets) + (has(tcp_syn) ? 1U : 0U) + (has(tcp_fin) ? 1U : 0U);
    }
};

/// `l4` starts with the TCP header and ends with the payload, or with the part of it that `beyond` follows. Options are looked at
/// only if SYN is set, as maximum segment size and window scale are valid nowhere else; one that contradicts its length drops the
/// segment (RFC 9293 section 3.1, MUST-7). The checksum is not verified.
[[nodiscard]] parsed<tcp_segment> parse_tcp(bytes_view l4, const scattered_view& beyond = {}) noexcept;

struct tcp_fields {
    std::uint16_t source_port = 0, destination_port = 0;
    seq_number seq, ack;
    octet flags = 0;
    std::uint16_t window = 0;
};

/// A header in front of `options_length` octets of options (a multiple of four, at most `longest_tcp_options`); its checksum is
/// left zero.
[[nodiscard]] tcp_header make_tcp(const tcp_fields& fields, std::size_t options_length = 0) noexcept;

/// The options of a SYN: maximum segment size, and window scale behind a no-operation. 8 octets, or 4 without a scale.
void put_syn_options(writer& out, std::uint16_t mss, std::optional<octet> window_scale) noexcept;

/// The checksum field of a whole segment whose own field is zero.
[[nodiscard]] std::uint16_t tcp_checksum(const ip_address& source, const ip_address& destination, bytes_view segment) noexcept;

} // namespace tapioca::wire
