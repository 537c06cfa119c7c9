// The classic capture format of pcap-savefile(5): a file header, then a record header in front of each frame. Integers are in
// host order, which readers recognise by the magic number; times are microseconds since 1970.
#pragma once

#include "proto/base/bytes.hpp"
#include "proto/base/time.hpp"

#include <algorithm>
#include <array>

namespace tapioca::wire {

inline constexpr std::size_t pcap_snapshot_length = 65535;

using pcap_file_header = std::array<octet, 24>;
using pcap_record_header = std::array<octet, 16>;

/// How many octets of a frame a record keeps.
[[nodiscard]] constexpr std::size_t pcap_captured(std::size_t frame_length) noexcept
{
    return std::min(frame_length, pcap_snapshot_length);
}

/// Version 2.4, Ethernet.
[[nodiscard]] pcap_file_header make_pcap_file_header() noexcept;

/// In front of the first pcap_captured(frame_length) octets of a frame seen at `since_1970`.
[[nodiscard]] pcap_record_header make_pcap_record_header(duration since_1970, std::size_t frame_length) noexcept;

} // namespace tapioca::wire
