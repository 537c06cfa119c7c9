// What a flow is about, in a word: for TCP the states of RFC 9293 section 3.3.2, for datagrams and echo those of conntrack.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tapioca {

enum class flow_state : std::uint8_t {
    unreplied, ///< datagrams, echo: only one side has spoken
    replied,   ///< both have
    assured,   ///< datagrams: both have, more than once
    syn_sent,  ///< a connection was asked for, and is not answered
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    closing,
    close_wait,
    last_ack,
    closed,
    count_
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(flow_state::count_)> flow_state_names = {
    "UNREPLIED",  "REPLIED",    "ASSURED", "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED",
    "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "CLOSE-WAIT", "LAST-ACK",     "CLOSED",
};
static_assert(!flow_state_names.back().empty());

[[nodiscard]] constexpr std::string_view name_of(flow_state state) noexcept
{
    return flow_state_names[static_cast<std::size_t>(state)];
}

} // namespace tapioca
