// What differs between the kinds of flows for those who treat all alike: one row a kind.
#pragma once

#include "daemon/report/counters.hpp"
#include "daemon/translate/flow_budget.hpp"
#include "proto/flow/head.hpp"

#include <iterator>

namespace tapioca {

struct kind_facts {
    report::counter opened, accepted, closed; ///< flows that the guest opened, and a peer; what is over
    flow_share share;                         ///< of what all workers may have
    std::uint8_t datagram_sockets;            ///< that a flow has for itself
};

namespace detail {
using report::counter;
inline constexpr kind_facts kinds[] = {
    {counter::tcp_flows_opened, counter::tcp_flows_accepted, counter::tcp_flows_closed, flow_share::tcp, 0},
    {counter::udp_flows_opened, counter::udp_flows_opened, counter::udp_flows_closed, flow_share::udp, 0}, // they share sockets
    {counter::echo_flows_opened, counter::echo_flows_opened, counter::echo_flows_closed, flow_share::echo, 1},
    {counter::spliced_flows_opened, counter::spliced_flows_opened, counter::spliced_flows_closed, flow_share::spliced, 0},
    {counter::udp_splices_opened, counter::udp_splices_opened, counter::udp_splices_closed, flow_share::spliced, 1},
};
static_assert(std::size(kinds) == flow_kinds);
} // namespace detail

[[nodiscard]] constexpr const kind_facts& facts_of(flow_kind kind) noexcept
{
    return detail::kinds[static_cast<std::size_t>(kind)];
}

} // namespace tapioca
