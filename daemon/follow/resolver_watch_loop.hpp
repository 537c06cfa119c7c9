// The processes that follow the file of resolvers. The first one, the guardian, was forked by the daemon; it forks the watcher
// and waits for its end, and forks it anew if somebody has killed it. Both end when the daemon has, which they see by their pipe:
// it has no reader any more.
//
// The watcher sleeps until inotify(7) tells of one of the names on the way to the file, or of the file itself, or until mounts
// change, of which inotify says nothing. Then it waits for a moment, because an exchange has several steps, goes the way anew,
// reads, and writes into the pipe what has changed. Where it cannot be told of everything it looks every five seconds.
//
// What they can do is very little: read(2) of any file that the user may read. They have no capabilities, cannot make sockets or
// execute programs, and write into nothing but the pipe; nobody sends them anything.
#pragma once

#include "daemon/os/unique_fd.hpp"

namespace tapioca {

/// To be called in a process that was forked for it.
[[noreturn]] void guard_watcher(os::unique_fd to_daemon, const char* path) noexcept;

} // namespace tapioca
