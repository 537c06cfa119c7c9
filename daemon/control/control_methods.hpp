// The methods that varlink clients call.
#pragma once

#include "daemon/control/audit_log.hpp"
#include "daemon/control/capture_calls.hpp"
#include "daemon/control/egress_in_force.hpp"
#include "daemon/control/event_stream.hpp"
#include "daemon/control/flow_calls.hpp"
#include "daemon/control/name_calls.hpp"
#include "daemon/control/rules_in_force.hpp"

#include <string_view>
#include <sys/types.h>

namespace tapioca {

/// Which socket a client has come by decides what it may do.
enum class client_may : std::uint8_t { see, change };

class control_methods {
public:
    struct parts {
        const options& opts;
        worker_pool& workers;
        rules_in_force& rules;
        egress_in_force& egress;
        event_stream& events;
        pid_t pid = 0;                        ///< as whoever started us sees it
        const name_register* names = nullptr; ///< null: the policy has none
        audit_log* audit = nullptr;           ///< null: there is none
    };
    explicit control_methods(const parts& p) : parts_(p) {}

    struct answer {
        bool understood = true; ///< or the client speaks something else
        std::unique_ptr<running_call> goes_on;
        bool hands_over = false; ///< the connection is no varlink client's any more: another process wants our place
    };
    /// Appends the answer to `out`, unless the call goes on. `passed`: the descriptor that came with it, or none.
    [[nodiscard]] answer take(std::string_view message, client_may what, os::unique_fd passed, std::string& out);

private:
    parts parts_;
    capture_list captures_;
};

} // namespace tapioca
