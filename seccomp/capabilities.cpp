#include "seccomp/capabilities.hpp"

#include <cerrno>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::capabilities {
namespace {

struct thread_sets {
    set effective = 0, permitted = 0, inheritable = 0;
};

constexpr unsigned word_bits = 32;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

thread_sets current()
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, words) != 0)
        fail("Couldn't read capabilities");
    const auto join = [](std::uint32_t low, std::uint32_t high) { return set{low} | set{high} << word_bits; };
    return {join(words[0].effective, words[1].effective), join(words[0].permitted, words[1].permitted),
            join(words[0].inheritable, words[1].inheritable)};
}

void apply(const thread_sets& sets)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
        const auto word = [i](set all) { return static_cast<std::uint32_t>(all >> (i * word_bits)); };
        words[i] = {word(sets.effective), word(sets.permitted), word(sets.inheritable)};
    }
    if (::syscall(SYS_capset, &header, words) != 0)
        fail("Couldn't reduce capabilities");
}

} // namespace

void limit_to(set wanted)
{
    const set kept = current().permitted & wanted;
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); // kernels before 4.3 have no ambient set
    apply({kept, kept, 0});
}

void raise_permitted()
{
    thread_sets sets = current();
    sets.effective = sets.permitted;
    apply(sets);
}

bool drop_bounding()
{
    for (unsigned capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
        if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return false;
    return true;
}

void forbid_gains()
{
#ifndef TAPIOCA_SANITIZED // a sanitizer inspects its own process
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        fail("Couldn't forbid tracing");
#endif
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fail("Couldn't forbid new privileges");
}

} // namespace tapioca::capabilities
