// What servers of the control plane need of its loop: to be called when a descriptor has something, and later.
#pragma once

#include "proto/base/time.hpp"

#include <functional>

namespace tapioca {

/// `closing`: the other end of a pipe, or of a stream, has been closed; told once.
enum class readiness_for : std::uint8_t { reading, writing, closing };

/// All in the main thread. Nothing is called from inside of these calls.
class reactor {
public:
    /// Calls `ready` each time, until forget(). The descriptor is the caller's, and is watched once. False: it cannot be.
    [[nodiscard]] virtual bool watch(int fd, readiness_for what, std::function<void()> ready) = 0;
    /// Before it is closed.
    virtual void forget(int fd) = 0;
    /// Once.
    virtual void call_in(duration wait, std::function<void()> then) = 0;

protected:
    ~reactor() = default;
};

/// Something that is served until the end. It is started when the process is sealed.
class control_service {
public:
    virtual ~control_service() = default;
    virtual void start(reactor& loop) = 0;
    /// The loop is over: processes that it has beside us end. Readable when they have; -1: there is nothing to wait for.
    [[nodiscard]] virtual int end_helpers() noexcept { return -1; }
};

} // namespace tapioca
