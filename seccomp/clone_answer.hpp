// Threads below a filter that was written before clone3(2): some container engines answer that call with EPERM, which the C
// library takes for the last word about a new thread. At ENOSYS it takes clone(2), which such filters allow. Read seccomp(2)
// first: of several filters that return an error the newest has its way.
#pragma once

namespace tapioca::seccomp {

/// Where clone3(2) is refused, the calling thread and those that it starts are told ENOSYS from now on. It needs CAP_SYS_ADMIN in
/// the user namespace; without it everything stays as it is.
void let_threads_start() noexcept;

} // namespace tapioca::seccomp
