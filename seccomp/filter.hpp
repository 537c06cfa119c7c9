// The system calls that are left after start-up, as a filter for every thread; read seccomp(2) first. The profiles hold a line a
// system call: its name, who makes it, why. Whatever is not listed ends the process.
//
// Calls that are made for each frame or datagram have no conditions: the kernel keeps a bitmap of those that are allowed whatever
// their arguments, and does not run the filter for them. Conditions belong to calls that a flow makes once or twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace tapioca::seccomp {

/// A condition on one argument, which the kernel takes as 32 bits: with `mask` applied, it must be `value`.
struct argument_test {
    unsigned index;
    std::uint32_t value, mask = ~0U;
};

/// What a run of the program may be asked to do; a line that belongs to one of these is left out of all other runs.
enum class task : std::uint8_t {
    every,     ///< whatever it is asked to do
    guest,     ///< frames of a guest, over a tap or a stream
    bypass,    ///< loopback traffic from socket to socket
    scan,      ///< ports that come and go
    watch,     ///< the end of the namespace ends the program
    command,   ///< a command in the namespace
    log_file,  ///< its own log
    vhost,     ///< a guest that shares its memory
    carrier,   ///< the guest's interface loses its carrier for a moment
    names,     ///< questions of our own to the host's resolvers, over TCP, too
    hand_over, ///< another process may take our place
    take_over, ///< we take another one's
    pieces,    ///< frames that are written in pieces: into a capture file, and to a tap out of our own store
};

struct allowed_call {
    const char* name;
    const char* who;
    const char* why;
    task only_for = task::every;
    std::span<const argument_test> tests = {};
};

/// The tasks of one run.
class profile {
public:
    constexpr profile(std::initializer_list<task> tasks) noexcept
    {
        for (const task t : tasks)
            add(t);
    }
    constexpr void add(task t) noexcept { tasks_ |= bit(t); }
    [[nodiscard]] constexpr bool has(task t) const noexcept { return t == task::every || (tasks_ & bit(t)) != 0; }

private:
    [[nodiscard]] static constexpr unsigned bit(task t) noexcept { return 1U << static_cast<unsigned>(t); }

    unsigned tasks_ = 0;
};

/// The tables.
[[nodiscard]] std::span<const allowed_call> translator_calls() noexcept; ///< the data plane and the control plane
[[nodiscard]] std::span<const allowed_call> option_calls() noexcept;     ///< options of the sockets, read and set
[[nodiscard]] std::span<const allowed_call> pasta_calls() noexcept;      ///< what only namespaces and commands need
[[nodiscard]] std::span<const allowed_call> vhost_calls() noexcept;      ///< what only shared memory needs
[[nodiscard]] std::span<const allowed_call> runtime_calls() noexcept;    ///< what the C and C++ libraries do by themselves
[[nodiscard]] std::span<const allowed_call> sanitizer_calls() noexcept;  ///< only in builds with sanitizers
[[nodiscard]] std::span<const allowed_call> watcher_calls() noexcept;    ///< of the process that reads resolv.conf, and no other
[[nodiscard]] std::span<const allowed_call> guardian_calls() noexcept;   ///< of the one that forks it, beside those
[[nodiscard]] std::span<const allowed_call> repair_calls() noexcept;     ///< of the program passt-repair

/// How many system calls of this machine a profile leaves, not counting what a build with sanitizers adds.
[[nodiscard]] std::size_t size_of(profile which);

/// Sets no-new-privs and the filter in all threads of the process at once. Throws std::system_error.
void install(profile which);

} // namespace tapioca::seccomp
