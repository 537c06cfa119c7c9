#include "seccomp/sandbox.hpp"

#include "seccomp/capabilities.hpp"
#include "seccomp/landlock.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace tapioca {
namespace {

using capabilities::bit;

/// SETPCAP empties the bounding set at the end; SETFCAP is asked for where a parent's uid 0 is mapped (user_namespaces(7));
/// SYS_PTRACE opens the namespaces of another user's process.
constexpr capabilities::set start_up_set = bit(CAP_NET_BIND_SERVICE) | bit(CAP_SETUID) | bit(CAP_SETGID) | bit(CAP_SYS_ADMIN) |
                                           bit(CAP_NET_ADMIN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_SYS_CHROOT) | bit(CAP_SETPCAP) |
                                           bit(CAP_SETFCAP) | bit(CAP_SYS_PTRACE);

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void repair_stdio()
{
    int fd;
    do {
        fd = ::open("/dev/null", O_RDWR); // takes the lowest number that is free
        if (fd < 0)
            fail("Couldn't open /dev/null");
    } while (fd <= STDERR_FILENO);
    ::close(fd);
}

/// Closes first..last; false where the kernel cannot (before 5.9, or under a filter that does not know the call).
bool close_between(unsigned first, unsigned last)
{
    return first > last || ::syscall(SYS_close_range, first, last, CLOSE_RANGE_UNSHARE) == 0;
}

bool close_inherited(std::vector<int> kept)
{
    unsigned first = STDERR_FILENO + 1;
    std::sort(kept.begin(), kept.end());
    for (const int fd : kept) {
        const auto number = static_cast<unsigned>(fd);
        if (fd < static_cast<int>(first))
            continue;
        if (!close_between(first, number - 1))
            return false;
        first = number + 1;
    }
    return close_between(first, ~0U);
}

/// One write: the kernel takes an id map whole or not at all.
bool write_file(const char* path, const std::string& text)
{
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    ::close(fd);
    errno = error;
    return done;
}

/// A change of ids makes /proc/self root's; start-up still needs it.
void keep_proc_accessible() { ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }

} // namespace

bool in_initial_user_namespace()
{
    std::FILE* file = std::fopen("/proc/self/uid_map", "re");
    if (!file)
        return errno == ENOENT; // a kernel without user namespaces has no other
    unsigned inside = 0, outside = 0, count = 0;
    const bool whole =
        std::fscanf(file, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 && count == ~0U;
    std::fclose(file);
    return whole;
}

sandbox sandbox::enter(std::vector<int> kept)
{
    sandbox box;
    capabilities::limit_to(start_up_set);
    if (!close_inherited(std::move(kept)))
        box.warnings_.push_back(std::string{"Couldn't close leaked descriptors: "} + std::strerror(errno));
    repair_stdio();
    return box;
}

void sandbox::become(uid_t uid, gid_t gid)
{
    if (::setgroups(0, nullptr) != 0 && errno != EPERM)
        fail("Couldn't drop supplementary groups");
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        fail("Couldn't keep capabilities");
    if (::setresgid(gid, gid, gid) != 0)
        fail("Couldn't change the group");
    if (::setresuid(uid, uid, uid) != 0)
        fail("Couldn't change the user");
    capabilities::raise_permitted();
    keep_proc_accessible();
}

void sandbox::create_user_namespace()
{
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    if (::unshare(CLONE_NEWUSER) != 0)
        fail("Couldn't create a user namespace (do user.max_user_namespaces and the security modules allow it?)");
    keep_proc_accessible();
    if (!write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1") || !write_file("/proc/self/setgroups", "deny") ||
        !write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1"))
        warnings_.push_back(std::string{"Couldn't configure user mappings: "} + std::strerror(errno));
}

void sandbox::join_user_namespace(int fd)
{
    struct stat target = {}, own = {};
    if (::fstat(fd, &target) == 0 && ::stat("/proc/self/ns/user", &own) == 0 && target.st_dev == own.st_dev &&
        target.st_ino == own.st_ino)
        return; // setns(2) would refuse it
    if (::setns(fd, CLONE_NEWUSER) != 0)
        fail("Couldn't enter user namespace");
    keep_proc_accessible();
}

void sandbox::detach_filesystem(fork_follows fork, mounts::if_refused otherwise)
{
    const int own = CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWUTS | (fork == fork_follows::yes ? CLONE_NEWPID : 0);
    if (::unshare(own) != 0)
        fail("Couldn't detach from the host's namespaces");
    mounts::detach_root(otherwise);
}

void sandbox::drop()
{
    if (!capabilities::drop_bounding())
        warnings_.push_back("Couldn't empty the capability bounding set");
    capabilities::limit_to(0);
    landlock::confine(landlock::bind_to::any_port, landlock::connect_to::anybody);
}

void sandbox::seal(seccomp::profile which)
{
    capabilities::forbid_gains();
    const bool restores =
        which.has(seccomp::task::vhost); // connections that come with a guest are bound and connected in silence
    const bool listens = which.has(seccomp::task::scan);
    const bool connects = which.has(seccomp::task::names);
    landlock::confine(listens || restores ? landlock::bind_to::any_port
                      : connects          ? landlock::bind_to::port_of_the_kernels_choice
                                          : landlock::bind_to::nothing,
                      connects || restores ? landlock::connect_to::anybody : landlock::connect_to::nobody);
    seccomp::install(which);
}

std::vector<std::string> sandbox::take_warnings() { return std::exchange(warnings_, {}); }

} // namespace tapioca
