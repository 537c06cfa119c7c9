// Flows of datagrams that another process had, into workers that stand still.
#pragma once

#include "daemon/loop/worker_pool.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"

#include <array>
#include <optional>
#include <span>
#include <vector>

namespace tapioca::migrate {

/// By side: of each of the other one's rules, the slot of ours; -1: we have none like it.
using rule_slots = std::array<std::vector<int>, 2>;

/// -1: we have none like it.
[[nodiscard]] inline int slot_in(const rule_slots& slots, rule_side side, std::size_t rule) noexcept
{
    const auto& known = slots[static_cast<std::size_t>(side)];
    return rule < known.size() ? known[rule] : -1;
}

struct taken_datagrams {
    std::size_t udp = 0, echo = 0;
};

/// The rest of a state, behind the connections, with its descriptors; all of them are used up. Nothing if it makes no sense. A
/// flow that leads elsewhere by our options, or that there is no room for, is left out.
[[nodiscard]] std::optional<taken_datagrams> take_datagrams(reader& from, std::span<os::unique_fd> sockets, worker_pool& workers,
                                                            const rule_slots& slots, instant now);

} // namespace tapioca::migrate
