#include "seccomp/filter_rules.hpp"

#include <cerrno>
#include <system_error>
#include <vector>

namespace tapioca::seccomp {

void check(int outcome, const char* what)
{
    if (outcome < 0)
        throw std::system_error(-outcome, std::generic_category(), what);
}

rules begin_rules(std::uint32_t refused)
{
    rules filter{seccomp_init(refused), seccomp_release};
    if (!filter)
        throw std::system_error(ENOMEM, std::generic_category(), "Couldn't build the system call filter");
    check(seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
          "Couldn't build the system call filter");
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); // a binary tree where libseccomp has it, else a list
    return filter;
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

} // namespace tapioca::seccomp
