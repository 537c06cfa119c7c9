// The service manager that waits for us, if any: the protocol of sd_notify(3), which is a datagram to the socket that
// $NOTIFY_SOCKET names.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <string_view>
#include <sys/types.h>

namespace tapioca::os {

class service_manager {
public:
    /// Connects to the socket of $NOTIFY_SOCKET, while paths can be reached, and removes the variable: what we start is not the
    /// service. Without the variable nobody waits, which is no error.
    [[nodiscard]] static result<service_manager> from_environment();

    /// The service is ready; the manager is given a few seconds to take the word.
    result<void> ready() noexcept { return tell("READY=1"); }
    /// Likewise, in the place of the process that the manager knows; `self` as it sees us.
    result<void> ready_instead(pid_t self);
    /// The service has begun to end.
    result<void> stopping() noexcept { return tell("STOPPING=1"); }

private:
    result<void> tell(std::string_view word) noexcept;

    unique_fd socket_;
};

} // namespace tapioca::os
