// The cage of passt-repair: it keeps CAP_NET_ADMIN, for TCP_REPAIR and nothing else.
#pragma once

namespace tapioca::seccomp {

/// No capability but CAP_NET_ADMIN, no new privileges, no core and no tracing, and no other system calls than those of
/// profiles/repair.cpp. Throws std::system_error.
void confine_repair();

} // namespace tapioca::seccomp
