// Between the worker that talks to a vhost-user front-end and the control plane, while the state of the back-end travels: a
// descriptor and a direction go one way, and whether it could be done comes back. In between, and until the control plane says
// so, no ring runs: what their guest would do needs connections that are on their way.
//
// The front-end is one thread's business, the state another's: a lock is held for a few words, at messages about the state only.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <atomic>
#include <mutex>
#include <optional>

namespace tapioca {

enum class state_direction : std::uint8_t { save, load };

class device_state {
public:
    /// Throws std::system_error.
    device_state();

    // The front-end's worker.
    /// Rings are held from now on.
    void begin(state_direction way, os::unique_fd fd) noexcept;
    /// Whether it could be done; nothing: not known yet.
    [[nodiscard]] std::optional<bool> outcome() noexcept;
    /// The front-end has been told the outcome.
    void note_checked() noexcept { note(event::checked); }
    /// A ring would run now.
    void note_wanted() noexcept { note(event::rings_wanted); }
    void note_gone() noexcept { note(event::front_end_gone); }
    [[nodiscard]] bool holds_rings() const noexcept { return holds_.load(std::memory_order_acquire); }
    /// Readable when there is an outcome, or rings are not held any more; clear_answer() takes that back.
    [[nodiscard]] int answers() const noexcept { return answers_.get(); }
    void clear_answer() noexcept;

    // The control plane.
    struct request {
        state_direction way;
        os::unique_fd fd;
    };
    /// What has happened since the last call, in the order in which it is to be looked at.
    struct news {
        bool front_end_gone = false, checked = false;
        std::optional<request> begun;
        bool rings_wanted = false;
    };
    /// Readable when there is some.
    [[nodiscard]] int events() const noexcept { return events_.get(); }
    [[nodiscard]] news take_news() noexcept;
    void finish(bool done) noexcept;
    void let_rings_run() noexcept;

private:
    enum class event : unsigned { checked = 1, rings_wanted = 2, front_end_gone = 4 };
    void note(event what) noexcept;

    os::unique_fd events_, answers_;
    std::atomic<bool> holds_ = false;
    std::mutex lock_; ///< of all below
    std::optional<request> begun_;
    unsigned happened_ = 0;
    std::optional<bool> outcome_;
};

} // namespace tapioca
