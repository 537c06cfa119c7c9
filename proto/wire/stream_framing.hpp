// Frames on a stream socket as QEMU's `-netdev stream` and `-netdev socket` exchange them: each behind its length, four octets in
// network order.
#pragma once

#include "proto/base/byte_order.hpp"
#include "proto/base/bytes.hpp"

#include <cstring>

namespace tapioca::wire {

inline constexpr std::size_t stream_prefix_octets = 4;
inline constexpr std::size_t least_stream_frame = 14, most_stream_frame = 65535;

/// What stands at the front of the octets that were received so far.
struct stream_front {
    enum class state : std::uint8_t { whole, partial, bad_length };
    state is = state::partial;
    bytes_view frame{}; ///< if it is whole

    /// How many octets it takes together with its length.
    [[nodiscard]] std::size_t octets() const noexcept { return stream_prefix_octets + frame.size(); }
};

[[nodiscard]] inline stream_front front_of_stream(bytes_view received) noexcept
{
    if (received.size() < stream_prefix_octets)
        return {};
    be32 length;
    std::memcpy(&length, received.data(), sizeof length);
    if (length < least_stream_frame || length > most_stream_frame)
        return {stream_front::state::bad_length};
    if (received.size() - stream_prefix_octets < length)
        return {};
    return {stream_front::state::whole, received.subspan(stream_prefix_octets, length)};
}

inline void put_stream_length(octet* at, std::size_t frame) noexcept
{
    const be32 length = static_cast<std::uint32_t>(frame);
    std::memcpy(at, &length, sizeof length);
}

} // namespace tapioca::wire
