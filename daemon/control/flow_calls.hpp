// Calls about flows. Workers are asked, and answer in their next turns; so these calls go on for a while.
#pragma once

#include "daemon/control/flow_name.hpp"
#include "daemon/control/rules_in_force.hpp"
#include "daemon/loop/worker_pool.hpp"

#include <memory>
#include <optional>
#include <string>

namespace tapioca {

/// A call whose answer is not there at once.
class running_call {
public:
    virtual ~running_call() = default;
    enum class state : std::uint8_t { goes_on, done };
    /// Appends what can be said now, one reply at most.
    [[nodiscard]] virtual state look(std::string& out) = 0;
    /// Whether it goes on for as long as its client likes, and when to look at it again. Meanwhile the client is listened to.
    [[nodiscard]] virtual std::optional<duration> lasts() const noexcept { return std::nullopt; }
    /// The client has said something while it lasts.
    virtual void interrupt() {}
};

/// Lists the flows of all workers, a reply for some of them at a time.
[[nodiscard]] std::unique_ptr<running_call> begin_listing(worker_pool& workers, const rules_in_force& rules);
[[nodiscard]] std::unique_ptr<running_call> begin_ending(worker_pool& workers, const flow_name& which);

} // namespace tapioca
