// What a process is told about itself and its children: limits, signals, ids, exit statuses.
#pragma once

#include "daemon/os/accounts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

namespace tapioca::os {

/// The soft limit of open files becomes the hard one: every flow is a descriptor.
void raise_descriptor_limit() noexcept;
[[nodiscard]] std::size_t descriptor_limit() noexcept;
/// For a child that executes something else: programs that close every descriptor there may be, or that use select(2), rely on a
/// low soft limit.
void give_back_descriptor_limit() noexcept;

/// Makes room for so many descriptors while one thread uses the table. Among several the kernel waits for a grace period of RCU,
/// tens of milliseconds, each time that the table doubles. A fork(2) does not inherit the room.
void make_room_for_descriptors(std::size_t count) noexcept;

/// Waits until the threads that were joined are gone. Their joiner hears of it a moment before, and as long as the kernel counts
/// another thread it refuses what asks for a process of one thread, such as a user namespace.
void wait_until_alone() noexcept;

/// All threads allocate from one heap, or each would map 132 KiB for the little it needs at start-up. It grows by brk(2) whatever
/// the size of a request, because once the process is sealed nothing can be mapped.
void use_one_heap() noexcept;

/// Unmaps the pages of code and constants that start-up has touched; those that are needed again come back from the page cache. A
/// forked child begins like that, a process in the foreground would keep some 3 MB for its lifetime.
void forget_start_up_code() noexcept;

/// Ignores SIGPIPE: a pipe without a reader must not end the service, write(2) returns an error instead.
void ignore_broken_pipes() noexcept;

/// SIGTERM and SIGQUIT end the process with status 0, until they get other handlers.
void end_on_termination() noexcept;
/// They have their default actions again.
void forget_termination() noexcept;

/// Blocks every signal but SIGSYS in the calling thread and, by inheritance, in the threads that it starts.
void block_signals() noexcept;

/// Unblocks every signal in the calling thread.
void unblock_signals() noexcept;

[[nodiscard]] pid_t own_pid() noexcept;

/// _exit(2): no destructor runs, no thread is joined.
[[noreturn]] void end_process(int status) noexcept;

/// The path of the running executable; empty where /proc does not tell.
[[nodiscard]] std::string executable_path();

[[nodiscard]] bool is_root() noexcept;
[[nodiscard]] account current_account() noexcept;
/// The account `nobody`, or its customary ids where the machine has no such name.
[[nodiscard]] account nobody();

/// Reaps every child that has ended; returns the status that a shell would give `pid` (its own, or 128 + signal) if it is among
/// them.
[[nodiscard]] std::optional<int> reap_children(pid_t pid) noexcept;

} // namespace tapioca::os
