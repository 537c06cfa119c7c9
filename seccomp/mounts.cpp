#include "seccomp/mounts.hpp"

#include <cerrno>
#include <string>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::mounts {
namespace {

void check(int outcome, const char* what)
{
    if (outcome != 0)
        throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

void detach_root(if_refused otherwise)
{
    // Unbindable is private, too: nothing of what follows is seen in another mount namespace, nor the other way round.
    check(::mount("", "/", "", MS_UNBINDABLE | MS_REC, nullptr), "Couldn't make mounts private");
    check(::mount("", "/tmp", "tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_RDONLY, "nr_inodes=2,nr_blocks=0"),
          "Couldn't mount an empty root");
    check(::chdir("/tmp"), "Couldn't change to the empty root");
    // The same directory twice: the old root is stacked on the new one, and detached from there.
    if (::syscall(SYS_pivot_root, ".", ".") == 0) {
        check(::umount2(".", MNT_DETACH | UMOUNT_NOFOLLOW), "Couldn't detach the old root");
        return check(::chdir("/"), "Couldn't change to the empty root");
    }
    if (errno != EINVAL || otherwise == if_refused::fail)
        check(-1, errno == EINVAL ? "Couldn't change the root directory (on an initial ramdisk --chroot-fallback does without)"
                                  : "Couldn't change the root directory");
    check(::mount(".", "/", "", MS_MOVE, nullptr), "Couldn't move the empty root");
    check(::chroot("."), "Couldn't change to the empty root");
    check(::chdir("/"), "Couldn't change to the empty root");
}

} // namespace tapioca::mounts
