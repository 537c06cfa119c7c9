#include "seccomp/filter.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <seccomp.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace tapioca::seccomp {
namespace {

#if defined(TAPIOCA_TEST_TRAPS) || defined(TAPIOCA_SANITIZED)
constexpr bool traps = true;
#else
constexpr bool traps = false;
#endif
#ifdef TAPIOCA_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

constexpr int trapped_status = 128 + SIGSYS;

using context = std::unique_ptr<void, decltype(&seccomp_release)>;

void check(int outcome, const char* what)
{
    if (outcome < 0)
        throw std::system_error(-outcome, std::generic_category(), what);
}

/// Names the refused call by its number and ends the process; only what a signal handler may do.
void on_trap(int, siginfo_t* info, void*)
{
    char line[] = "seccomp: system call      refused\n";
    constexpr std::size_t last_digit = sizeof "seccomp: system call " - 1 + 3;
    int number = info->si_syscall;
    for (std::size_t at = last_digit; number > 0 && at > last_digit - 4; --at, number /= 10)
        line[at] = static_cast<char>('0' + number % 10);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line, sizeof line - 1);
    ::_exit(trapped_status);
}

void handle_traps()
{
    struct sigaction action = {};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    if (::sigaction(SIGSYS, &action, nullptr) != 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't handle SIGSYS");
}

void allow(scmp_filter_ctx filter, const allowed_call& call)
{
    const int number = seccomp_syscall_resolve_name(call.name);
    if (number == __NR_SCMP_ERROR) // a call that this architecture or libseccomp does not know
        return;
    std::vector<scmp_arg_cmp> tests;
    for (const argument_test& test : call.tests)
        tests.push_back({test.index, SCMP_CMP_MASKED_EQ, test.mask, test.value});
    const int outcome = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, static_cast<unsigned>(tests.size()), tests.data());
    if (outcome != -EDOM && outcome != -EEXIST) // a call of another architecture; a line that another table has, too
        check(outcome, "Couldn't build the system call filter");
}

} // namespace

void install(profile which)
{
    if (traps)
        handle_traps();
    const context filter{seccomp_init(traps ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS), seccomp_release};
    if (!filter)
        throw std::system_error(ENOMEM, std::generic_category(), "Couldn't build the system call filter");
    check(seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
          "Couldn't build the system call filter");
    check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1), "Couldn't extend the system call filter to all threads");
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); // a binary tree where libseccomp has it, else a list
    for (const auto table :
         {translator_calls(), runtime_calls(), which == profile::pasta ? pasta_calls() : std::span<const allowed_call>{},
          sanitized ? sanitizer_calls() : std::span<const allowed_call>{}})
        for (const allowed_call& call : table)
            allow(filter.get(), call);
    check(seccomp_load(filter.get()), "Couldn't install the system call filter");
}

} // namespace tapioca::seccomp
