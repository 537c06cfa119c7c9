// The cage of the processes that read resolv.conf for the daemon, in three steps: confine_helper() is cheap and comes at once,
// the filters take a while to be written, and seal(), which loads one, must do without memory of the heap. Read capabilities(7),
// landlock(7) and seccomp(2) first.
#pragma once

#include "seccomp/filter.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <linux/filter.h>

namespace tapioca::seccomp {

enum class helper : std::uint8_t {
    guardian, ///< forks the watcher; allowed is what the watcher may do, and what it takes to make one
    watcher,  ///< opens files to read them, and is told of changes
};

/// How many system calls of this machine are left to it.
[[nodiscard]] std::size_t size_of(helper who);

/// A filter as the kernel takes it.
class program {
public:
    /// Throws std::system_error.
    explicit program(helper who);
    [[nodiscard]] bool load() const noexcept;

private:
    static constexpr std::size_t longest = 512;
    std::array<sock_filter, longest> steps_;
    std::uint16_t count_ = 0;
};

/// No capabilities, no new privileges, no core and no tracing; files to be read alone, no TCP and no signals to others where the
/// kernel has Landlock for that. Throws std::system_error.
void confine_helper();

/// The filters of both.
class helper_cage {
public:
    /// Writes them. Throws std::system_error.
    helper_cage() : guardian_(helper::guardian), watcher_(helper::watcher) {}

    /// No other system calls from here on. A process that is sealed as the guardian may be sealed as the watcher, too. False: it
    /// is not.
    [[nodiscard]] bool seal(helper who) const noexcept { return (who == helper::guardian ? guardian_ : watcher_).load(); }

private:
    program guardian_, watcher_;
};

} // namespace tapioca::seccomp
