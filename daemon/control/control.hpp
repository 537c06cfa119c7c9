// The control plane: the main thread's loop of signals, timers and the watches over namespace and command. What it decides about
// traffic goes to the workers through the hooks. Built before the sandbox closes; afterwards it opens nothing.
#pragma once

#include "proto/base/time.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

namespace tapioca {

namespace netns {
class watch;
}

/// What the loop calls, each in the main thread; an empty one is not called.
struct control_hooks {
    std::function<void()> print_counters;       ///< SIGUSR1
    std::function<void()> drain_log;            ///< whenever `events` is readable, and once more at the end
    std::function<void()> router_advertisement; ///< unsolicited, at random intervals of 200 to 600 s (RFC 4861 §6.2.1)
    std::function<bool()> finished;             ///< asked after drain_log; true: there is nothing left to do
    std::function<void()> scan_ports;           ///< each second, and once at the start
    std::function<void()> show_statistics;      ///< each `statistics_delay`
    duration statistics_delay{};
    int events = -1;  ///< the workers' bell; drain_log silences it
    int exit_fd = -1; ///< the loop ends when its other end closes; -1: none
};

class control_service;

class control {
public:
    /// `watch` (may be null) and the hooks must outlive it; `command` is the child whose end is ours.
    control(control_hooks hooks, netns::watch* watch, std::optional<pid_t> command);
    ~control();

    /// Runs until SIGTERM or SIGQUIT (0), the end of the namespace (0), that of whoever has the other end of `exit_fd` (0), or
    /// that of the command (its status). Returns the exit status.
    [[nodiscard]] int run();

    /// Serves that, too; before run(). It outlives the loop.
    void serve(control_service& service);

    /// Behind run(): serves the log, and calls `hurry` at a further SIGTERM or SIGQUIT, until the workers' bell tells that
    /// `done`.
    void wait_until(std::function<bool()> done, std::function<void()> hurry);

    /// Behind run(): the processes that services have beside us end. wait_for_helpers() returns when they have, or after a
    /// second.
    void end_helpers();
    void wait_for_helpers();

    /// Whether that was the end of the command, or a signal.
    [[nodiscard]] bool command_ended() const noexcept;
    [[nodiscard]] bool told_to_end() const noexcept;

private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace tapioca
