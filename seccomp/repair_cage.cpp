#include "seccomp/repair_cage.hpp"

#include "seccomp/capabilities.hpp"
#include "seccomp/filter_rules.hpp"

#include <linux/capability.h>

namespace tapioca::seccomp {

void confine_repair()
{
    (void)capabilities::drop_bounding(); // without CAP_SETPCAP it stays, and nothing is executed anyway
    capabilities::limit_to(capabilities::bit(CAP_NET_ADMIN) | capabilities::bit(CAP_DAC_OVERRIDE) |
                           capabilities::bit(CAP_DAC_READ_SEARCH));
    capabilities::forbid_gains();
    const rules filter = begin_rules(SCMP_ACT_KILL_PROCESS);
    for (const allowed_call& call : repair_calls())
        allow(filter.get(), call);
    if (sanitized)
        for (const allowed_call& call : sanitizer_calls())
            allow(filter.get(), call);
    check(seccomp_load(filter.get()), "Couldn't install the system call filter");
}

void give_up_files() { capabilities::limit_to(capabilities::bit(CAP_NET_ADMIN)); }

} // namespace tapioca::seccomp
