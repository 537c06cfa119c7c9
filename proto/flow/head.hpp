// What every flow begins with, whatever its protocol and its way.
#pragma once

#include "proto/flow/key.hpp"

namespace tapioca {

/// Each kind has a table of its own in each worker. Those of the bypass do not cross the tap.
enum class flow_kind : std::uint8_t { tcp, udp, echo, tcp_splice, udp_splice, count_ };

inline constexpr std::size_t flow_kinds = static_cast<std::size_t>(flow_kind::count_);

[[nodiscard]] constexpr bool crosses_tap(flow_kind kind) noexcept
{
    return kind != flow_kind::tcp_splice && kind != flow_kind::udp_splice;
}

/// Who sent the first packet: the guest, or whoever is in its namespace; or a peer on the host or beyond. A flow of the bypass
/// was asked for on that side.
enum class flow_origin : std::uint8_t { guest, peer };

struct flow_head {
    flow_key key;
    flow_kind kind : 4 = flow_kind::tcp;
    flow_origin origin : 1 = flow_origin::guest;
    std::uint16_t rule = no_rule; ///< that it came through, of the rules of its origin's side

    static constexpr std::uint16_t no_rule = 0xffff;
    [[nodiscard]] constexpr bool from_peer() const noexcept { return origin == flow_origin::peer; }
};
static_assert(sizeof(flow_head) == 40);

} // namespace tapioca
