// Readiness of descriptors, one set a worker. Flow sockets are registered once, edge-triggered; what gives one unit a read (tap,
// listeners, mailbox) is level-triggered.
//
// The end of a wait is a timer of its own rather than epoll's timeout: it is set when a deadline comes before the one that it is
// set to, so most waits set none. A timeout costs each wait half a microsecond, and more where it is due before the next tick.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/time.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <sys/epoll.h>

namespace tapioca::os {

/// `edge_input`: without readiness to send, which for datagram sockets would be news each time a datagram has left.
/// `edge_stream_input`: the same for streams, with their ends and urgent data. `edge_errors`: nothing but errors, which always
/// are.
enum class trigger : std::uint8_t { level, edge, edge_input, edge_stream_input, edge_errors };

/// What an event is about: a kind that the worker dispatches on, and an id whose meaning depends on the kind.
struct token {
    std::uint8_t kind = 0;
    std::uint32_t id = 0;

    [[nodiscard]] constexpr std::uint64_t packed() const noexcept { return std::uint64_t{kind} << 32 | id; }
    static constexpr token unpack(std::uint64_t v) noexcept
    {
        return {static_cast<std::uint8_t>(v >> 32), static_cast<std::uint32_t>(v)};
    }
};

struct event {
    token what;
    bool readable = false, writable = false, closed_by_peer = false, error = false;
    bool urgent = false;  ///< urgent data stands in the queue (EPOLLPRI)
    bool hung_up = false; ///< both directions are closed, or the socket is not connected (EPOLLHUP)
};

class poller {
public:
    static constexpr std::size_t most_events = 64;

    poller(); ///< throws std::system_error

    [[nodiscard]] result<void> add(int fd, token what, trigger t) noexcept;
    /// From now on another trigger; what it would have told before is told once more.
    [[nodiscard]] result<void> change(int fd, token what, trigger t) noexcept;

    void remove(int fd) noexcept;

    /// Readable when wait() has something to tell.
    [[nodiscard]] int descriptor() const noexcept { return epoll_.get(); }

    /// Waits until something is ready or `until` has come (instant::max(): for ever), at most `now` told. The events are valid
    /// until the next call.
    /// It may end early, with nothing: a deadline that has moved on is still waited for.
    [[nodiscard]] std::span<const event> wait(instant now, instant until) noexcept;

private:
    [[nodiscard]] result<void> control(int operation, int fd, token what, trigger t) noexcept;
    void set_alarm(instant now, instant when) noexcept;

    unique_fd epoll_;
    unique_fd alarm_;                   ///< a timer descriptor
    instant alarm_at_ = instant::max(); ///< when it goes off
    std::array<epoll_event, most_events> ready_{};
    std::array<event, most_events> events_{};
};

} // namespace tapioca::os
