// Calls about flows. Workers are asked, and answer in their next turns; so these calls go on for a while.
#pragma once

#include "daemon/control/flow_name.hpp"
#include "daemon/control/rules_in_force.hpp"
#include "daemon/control/running_call.hpp"
#include "daemon/loop/worker_pool.hpp"

#include <memory>

namespace tapioca {

/// Which flows are listed, and how.
struct wanted_flows {
    flow_filter filter;
    bool detailed = false; ///< the kernel is asked about each
};
/// Lists the flows of all workers that are wanted, a reply for some of them at a time.
[[nodiscard]] std::unique_ptr<running_call> begin_listing(worker_pool& workers, const rules_in_force& rules,
                                                          const wanted_flows& wanted);
[[nodiscard]] std::unique_ptr<running_call> begin_ending(worker_pool& workers, const flow_name& which);

} // namespace tapioca
