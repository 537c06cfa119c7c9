#include "seccomp/landlock.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tapioca::landlock {
namespace {

// Of kernels after 6.1, whose headers need not be there.
constexpr std::uint64_t truncate_files = 1 << 14, device_requests = 1 << 15;
constexpr std::uint64_t bind_tcp = 1 << 0, connect_tcp = 1 << 1;
constexpr std::uint64_t abstract_unix_sockets = 1 << 0, signals = 1 << 1;
constexpr int port_rule = 2;

struct ruleset_attributes {
    std::uint64_t files, tcp, scopes;
};

struct port_attributes {
    std::uint64_t allowed, port;
};

constexpr std::uint64_t up_to(std::uint64_t last) noexcept { return (last << 1) - 1; }

} // namespace

handled handled_by(int abi) noexcept
{
    handled all;
    if (abi >= 1)
        all.files = up_to(LANDLOCK_ACCESS_FS_MAKE_SYM);
    if (abi >= 2)
        all.files |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        all.files |= truncate_files;
    if (abi >= 4)
        all.tcp = bind_tcp | connect_tcp;
    if (abi >= 5)
        all.files |= device_requests;
    if (abi >= 6)
        all.scopes = abstract_unix_sockets | signals;
    return all;
}

int kernel_abi() noexcept
{
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? static_cast<int>(abi) : 0;
}

bool confine(bind_to bind, connect_to connect) noexcept
{
    const handled all = handled_by(kernel_abi());
    ruleset_attributes attributes{all.files, all.tcp, all.scopes};
    if (bind == bind_to::any_port)
        attributes.tcp &= ~bind_tcp;
    if (connect == connect_to::anybody)
        attributes.tcp &= ~connect_tcp;
    if (all.files == 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    // Kernels that know less of the structure than we do want the rest of it to be zero, which it is.
    const int rules = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
    if (rules < 0)
        return false;
    const port_attributes zero{attributes.tcp & bind_tcp, 0};
    const bool may_bind_zero = bind == bind_to::port_of_the_kernels_choice && zero.allowed != 0;
    const bool done = (!may_bind_zero || ::syscall(SYS_landlock_add_rule, rules, port_rule, &zero, 0) == 0) &&
                      ::syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    ::close(rules);
    return done;
}

bool confine_to_reading() noexcept
{
    const handled all = handled_by(kernel_abi());
    const ruleset_attributes attributes{all.files, all.tcp, all.scopes};
    if (all.files == 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    const int rules = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
    const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const landlock_path_beneath_attr readable{LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, root};
    const bool done = ::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &readable, 0) == 0 &&
                      ::syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    ::close(root);
    ::close(rules);
    return done;
}

} // namespace tapioca::landlock
