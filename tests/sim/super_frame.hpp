// What a device does with a super-frame: cut it into segments.
#pragma once

#include "proto/frame/classify.hpp"
#include "tests/support/memory_tap.hpp"

#include <algorithm>

namespace tapioca::test {

/// The frame alone, or its segments if it is a super-frame of TCP and is to be cut. Checksums stay as they are.
inline std::vector<memory_frame> cut(memory_frame frame, bool wanted)
{
    std::vector<memory_frame> result;
    if (!wanted || frame.vnet.gso_size == 0) {
        result.push_back(std::move(frame));
        return result;
    }
    const auto headers = std::size_t{frame.vnet.header_length};
    const bool v4 = frame.vnet.gso_type == wire::vnet_gso_tcpv4;
    const std::size_t tcp_at = v4 ? 34 : 54;
    be32 sequence;
    std::memcpy(&sequence, frame.octets.data() + tcp_at + 4, 4);
    for (std::size_t at = headers; at < frame.octets.size(); at += frame.vnet.gso_size) {
        const auto size = std::min<std::size_t>(frame.vnet.gso_size, frame.octets.size() - at);
        memory_frame segment;
        segment.octets.assign(frame.octets.begin(), frame.octets.begin() + static_cast<std::ptrdiff_t>(headers));
        segment.octets.insert(segment.octets.end(), frame.octets.begin() + static_cast<std::ptrdiff_t>(at),
                              frame.octets.begin() + static_cast<std::ptrdiff_t>(at + size));
        const be32 own = sequence + static_cast<std::uint32_t>(at - headers);
        std::memcpy(segment.octets.data() + tcp_at + 4, &own, 4);
        const be16 length = static_cast<std::uint16_t>(headers + size - (v4 ? 14 : 54));
        std::memcpy(segment.octets.data() + (v4 ? 16 : 18), &length, 2);
        result.push_back(std::move(segment));
    }
    return result;
}

} // namespace tapioca::test
