// The blocks of pcapng that an instance sends, as far as they have to be understood.
#pragma once

#include "proto/base/bytes.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace tapioca::client {

/// What an enhanced packet block says.
struct captured_frame {
    std::chrono::nanoseconds since_1970{};
    bool to_guest = false;
    bytes_view octets;      ///< those that were kept
    std::size_t length = 0; ///< of the whole frame
    std::uint64_t lost = 0; ///< frames in front of it
    std::string comment;
};

inline constexpr std::uint32_t frame_block = 6;

/// Calls `take` with the type of each block and all its octets, until it says no. Throws control_failure if they make no sense.
void each_block(bytes_view message, const std::function<bool(std::uint32_t type, bytes_view block)>& take);

/// `block`: a frame_block. Throws control_failure.
[[nodiscard]] captured_frame read_frame(bytes_view block);

/// A line of text.
[[nodiscard]] std::string line_of(const captured_frame& frame);

} // namespace tapioca::client
