// What wakes a worker: the kinds of its epoll tokens, by which --stats counts events.
#pragma once

#include "daemon/os/poller.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tapioca {

enum class source : std::uint8_t {
    tap,
    clients,
    mailbox,
    tcp_flow,
    udp_port,
    echo_flow,
    tcp_listener,
    udp_listener,
    tcp_splice_host, ///< the host's end of a spliced connection
    tcp_splice_guest,
    udp_splice,
};

inline constexpr std::size_t source_count = static_cast<std::size_t>(source::udp_splice) + 1;

/// As they head the columns.
inline constexpr std::array<std::string_view, source_count> source_names = {
    "guest", "clients", "mailbox", "TCP", "UDP", "echo", "TCP listens", "UDP listens", "TCP lo: host", "TCP lo: guest", "UDP lo",
};
static_assert(!source_names.back().empty());

/// What names an event in a worker's epoll: its kind, and what of that kind it is about.
[[nodiscard]] constexpr os::token token_of(source kind, std::uint32_t id = 0) noexcept
{
    return {static_cast<std::uint8_t>(kind), id};
}

} // namespace tapioca
