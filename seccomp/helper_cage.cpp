#include "seccomp/helper_cage.hpp"

#include "seccomp/capabilities.hpp"
#include "seccomp/filter_rules.hpp"
#include "seccomp/landlock.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <set>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::seccomp {
namespace {

template <class F>
void for_each_call(helper who, const F& visit)
{
    for (const allowed_call& call : watcher_calls())
        visit(call);
    if (who == helper::guardian)
        for (const allowed_call& call : guardian_calls())
            visit(call);
}

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

} // namespace

std::size_t size_of(helper who)
{
    std::set<int> known;
    for_each_call(who, [&known](const allowed_call& call) {
        if (const int number = seccomp_syscall_resolve_name(call.name); number >= 0)
            known.insert(number);
    });
    return known.size();
}

program::program(helper who)
{
    const rules filter = begin_rules(SCMP_ACT_KILL_PROCESS);
    for_each_call(who, [&filter](const allowed_call& call) { allow(filter.get(), call); });
    if (sanitized)
        for (const allowed_call& call : sanitizer_calls())
            allow(filter.get(), call);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        fail("Couldn't make a pipe");
    const int outcome = seccomp_export_bpf(filter.get(), ends[1]); // a pipe takes more than the longest program
    ::close(ends[1]);
    const ssize_t size = ::read(ends[0], steps_.data(), sizeof steps_);
    ::close(ends[0]);
    check(outcome, "Couldn't build the system call filter");
    if (size <= 0 || size == sizeof steps_)
        throw std::system_error(E2BIG, std::generic_category(), "Couldn't build the system call filter");
    count_ = static_cast<std::uint16_t>(static_cast<std::size_t>(size) / sizeof steps_[0]);
}

// syscalls of the guardian: seccomp
bool program::load() const noexcept
{
    const sock_fprog whole{count_, const_cast<sock_filter*>(steps_.data())};
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) == 0;
}

void confine_helper()
{
    (void)capabilities::drop_bounding(); // in a user namespace that lacks CAP_SETPCAP they count for nothing
    capabilities::limit_to(0);
    capabilities::forbid_gains();
    landlock::confine_to_reading();
}

} // namespace tapioca::seccomp
