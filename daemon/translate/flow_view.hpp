// A flow as it is listed.
#pragma once

#include "proto/base/time.hpp"
#include "proto/flow/end_reason.hpp"
#include "proto/flow/head.hpp"
#include "proto/flow/octets.hpp"
#include "proto/flow/state.hpp"

#include <optional>

namespace tapioca {

struct flow_view {
    flow_id id;
    flow_head head;
    flow_key key; ///< the endpoints that the log names: over the tap, as the guest sees them
    flow_state state = flow_state::unreplied;
    duration age{};                      ///< since it began
    std::optional<duration> idle{};      ///< since octets last moved, as exactly as the flow knows
    std::optional<flow_octets> octets{}; ///< unless it is a connection, of which the kernel knows them
    endpoint peer{};                     ///< whom the host's socket speaks to; unspecified: not known
    int tcp_socket = -1;                 ///< of TCP, towards the peer
};

/// Says of flows whether they are to end, and why.
class flow_judge {
public:
    [[nodiscard]] virtual std::optional<end_reason> judge(const flow_view& f) noexcept = 0;

protected:
    ~flow_judge() = default;
};

class flow_visitor {
public:
    virtual void visit(const flow_view& f) noexcept = 0;

protected:
    ~flow_visitor() = default;
};

} // namespace tapioca
