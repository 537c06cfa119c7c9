// The cage of passt-repair: it keeps CAP_NET_ADMIN, for TCP_REPAIR and nothing else, and until it is connected the rights that
// lead to sockets of other users.
#pragma once

namespace tapioca::seccomp {

/// No capability but CAP_NET_ADMIN and those that pass by permissions of files, no new privileges, no core and no tracing, and no
/// other system calls than those of profiles/repair.cpp. Throws std::system_error.
void confine_repair();
/// It is connected: CAP_NET_ADMIN alone.
void give_up_files();

} // namespace tapioca::seccomp
