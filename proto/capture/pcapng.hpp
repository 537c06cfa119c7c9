// The capture format of Wireshark (draft-ietf-opsawg-pcapng): blocks, in host order, which readers recognise by the first of
// them. One section, one interface, times in nanoseconds.
#pragma once

#include "proto/base/bytes.hpp"
#include "proto/base/time.hpp"

#include <string_view>

namespace tapioca::pcapng {

/// Where a frame goes, as the interface that we are sees it: `in` is from the guest.
enum class direction : std::uint8_t { in = 1, out = 2 };

struct frame_record {
    duration since_1970{};
    direction way = direction::in;
    scattered_view octets;      ///< those that are kept
    std::size_t length = 0;     ///< of the whole frame
    std::uint64_t lost = 0;     ///< frames between this one and the one before it
    std::string_view comment{}; ///< longest_comment characters at most; none if empty
};

inline constexpr std::size_t longest_comment = 256;
inline constexpr std::size_t longest_name = 64;
/// What a block has beside the octets of its frame, at most.
inline constexpr std::size_t most_overhead = 64 + longest_comment;

/// The beginning of a file: what wrote it, and the interface. `snapshot`: of a frame, so many octets are kept at most; 0: all.
/// Longer names are cut. Each function returns the octets written, or 0, and an undefined content, where there is no room.
[[nodiscard]] std::size_t write_beginning(bytes_span into, std::string_view program, std::string_view interface,
                                          std::uint32_t snapshot) noexcept;
[[nodiscard]] std::size_t write_frame(bytes_span into, const frame_record& frame) noexcept;
/// What is known at the end: frames that were wanted, and those of them that were lost.
[[nodiscard]] std::size_t write_statistics(bytes_span into, duration since_1970, std::uint64_t wanted,
                                           std::uint64_t lost) noexcept;

} // namespace tapioca::pcapng
