// The methods about where the guest may connect.
#pragma once

#include "daemon/control/asked_call.hpp"

namespace tapioca::policy_methods {

running get(const asked& a);
running replace(const asked& a);
running lock(const asked& a);
running explain_destination(const asked& a);

} // namespace tapioca::policy_methods
