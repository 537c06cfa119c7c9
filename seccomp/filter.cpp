#include "seccomp/filter.hpp"

#include "seccomp/filter_rules.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::seccomp {
namespace {

#if defined(TAPIOCA_TEST_TRAPS) || defined(TAPIOCA_SANITIZED)
constexpr bool traps = true;
#else
constexpr bool traps = false;
#endif

constexpr int trapped_status = 128 + SIGSYS;

/// What on_trap() prints, a line a number: a handler may not ask the library for a name.
constexpr std::size_t numbers = 512;
using trap_line = std::array<char, 80>;
std::array<trap_line, traps ? numbers : 1> trap_lines;

void name_numbers()
{
    for (std::size_t number = 0; number < trap_lines.size(); ++number) {
        char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number));
        std::snprintf(trap_lines[number].data(), trap_lines[number].size(), "seccomp: system call %zu (%s) refused\n", number,
                      name != nullptr ? name : "unknown");
        std::free(name);
    }
}

/// Names the refused call and ends the process; only what a signal handler may do. Past the functions of the C library, where a
/// sanitizer may be in the middle of a report.
void on_trap(int, siginfo_t* info, void*)
{
    const auto number = static_cast<std::size_t>(info->si_syscall);
    const char* line =
        number < trap_lines.size() ? trap_lines[number].data() : "seccomp: a system call without a number refused\n";
    ::syscall(SYS_write, STDERR_FILENO, line, std::strlen(line));
    ::syscall(SYS_exit_group, trapped_status);
}

void handle_traps()
{
    name_numbers();
    struct sigaction action = {};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    if (::sigaction(SIGSYS, &action, nullptr) != 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't handle SIGSYS");
}

template <class F>
void for_each_call(profile which, const F& visit)
{
    for (const auto table : {translator_calls(), option_calls(), pasta_calls(), vhost_calls(), runtime_calls()})
        for (const allowed_call& call : table)
            if (which.has(call.only_for))
                visit(call);
}

} // namespace

std::size_t size_of(profile which)
{
    std::set<int> known;
    for_each_call(which, [&known](const allowed_call& call) {
        if (const int number = seccomp_syscall_resolve_name(call.name); number >= 0) // negative: not on this architecture
            known.insert(number);
    });
    return known.size();
}

void install(profile which)
{
    if (traps)
        handle_traps();
    const rules filter = begin_rules(traps ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS);
    check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1), "Couldn't extend the system call filter to all threads");
    for_each_call(which, [&filter](const allowed_call& call) { allow(filter.get(), call); });
    if (sanitized)
        for (const allowed_call& call : sanitizer_calls())
            allow(filter.get(), call);
    check(seccomp_load(filter.get()), "Couldn't install the system call filter");
}

} // namespace tapioca::seccomp
