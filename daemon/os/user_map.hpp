// Users of our user namespace, and who they are outside of it (user_namespaces(7)).
#pragma once

#include <sys/types.h>

namespace tapioca::os {

/// A user as the parent of our user namespace numbers it: on a host that runs containers of its users, as the host does. One that
/// is not mapped stays as it is.
[[nodiscard]] uid_t uid_on_host(uid_t user);
/// Likewise ours.
[[nodiscard]] uid_t own_uid_on_host();

} // namespace tapioca::os
