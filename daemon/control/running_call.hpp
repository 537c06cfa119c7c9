// A call whose answer is not there at once, or goes on for as long as its caller stays.
#pragma once

#include "proto/base/time.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tapioca {

class running_call {
public:
    virtual ~running_call() = default;
    enum class state : std::uint8_t {
        goes_on, ///< it is to be looked at again soon
        waits,   ///< when it calls what when_ready() was given
        done,
    };
    /// Appends what can be said now, one reply at most.
    [[nodiscard]] virtual state look(std::string& out) = 0;
    /// Whether it goes on for as long as its client likes, and when to look at it again. Meanwhile the client is listened to.
    [[nodiscard]] virtual std::optional<duration> lasts() const noexcept { return std::nullopt; }
    /// The client has said something while it lasts.
    virtual void interrupt() {}
    /// For calls that wait.
    virtual void when_ready(std::function<void()>) {}
};

} // namespace tapioca
