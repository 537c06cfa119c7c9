// What the processes need that read resolv.conf: tables of their own, which have nothing to do with those of the daemon.
#include "seccomp/filter.hpp"

#include <csignal>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

namespace tapioca::seccomp {
namespace {

/// Neither to be written, nor made, nor emptied.
constexpr argument_test to_read_only[] = {{2, O_RDONLY, O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE}};

constexpr allowed_call watcher[] = {
    {"close", "unique_fd", "the file, when it was read"},
    {"exit_group", "libc", "the end, after the daemon's"},
    {"fstat", "look", "is it a file?"},
    {"inotify_add_watch", "inotify", "a directory on the way to the file, or the file"},
    {"inotify_rm_watch", "inotify", "what is not on the way any more"},
    {"newfstatat", "look", "is it a file? (C libraries before glibc 2.39)"},
    {"openat", "look", "the file", task::every, to_read_only},
    {"ppoll", "helper_process", "all waiting"},
    {"read", "look, inotify", "the file, and what has changed"},
    {"readlinkat", "look", "where the next link leads"},
    {"restart_syscall", "kernel", "a sleep that a stop interrupted goes on"},
    {"write", "text_sender", "into the pipe to the daemon"},
};

/// Like fork(2): no thread, no namespace.
constexpr argument_test fork_only[] = {{0, SIGCHLD}};
constexpr argument_test read_name[] = {{0, PR_GET_NAME}};
constexpr argument_test set_name[] = {{0, PR_SET_NAME}};
constexpr argument_test filter_only[] = {{0, SECCOMP_SET_MODE_FILTER}};

constexpr allowed_call guardian[] = {
    {"clone", "helper_process", "a watcher", task::every, fork_only},
    {"inotify_init1", "inotify", "of the watcher, before it is sealed"},
    {"prctl", "helper_process", "the watcher's name", task::every, read_name},
    {"prctl", "helper_process", "the watcher's name", task::every, set_name},
    {"seccomp", "helper_cage", "the watcher's own filter", task::every, filter_only},
    {"wait4", "helper_process", "the end of the watcher"},
};

} // namespace

std::span<const allowed_call> watcher_calls() noexcept { return watcher; }

std::span<const allowed_call> guardian_calls() noexcept { return guardian; }

} // namespace tapioca::seccomp
