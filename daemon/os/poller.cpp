#include "daemon/os/poller.hpp"

#include <algorithm>
#include <sys/timerfd.h>
#include <system_error>

namespace tapioca::os {

namespace {

constexpr std::uint64_t alarm_token = UINT64_MAX;

} // namespace

// syscalls: epoll_create1 timerfd_create epoll_ctl
poller::poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), alarm_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC))
{
    epoll_event e{};
    e.events = EPOLLIN | EPOLLET; // told once each time it goes off, so it need not be read
    e.data.u64 = alarm_token;
    if (!epoll_ || !alarm_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, alarm_.get(), &e) < 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't create an epoll instance");
}

// syscalls: timerfd_settime
void poller::set_alarm(instant now, instant when) noexcept
{
    const auto left = when - now;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    itimerspec once{};
    once.it_value.tv_sec = static_cast<time_t>(seconds.count());
    once.it_value.tv_nsec = static_cast<long>((left - seconds).count());
    if (::timerfd_settime(alarm_.get(), 0, &once, nullptr) == 0)
        alarm_at_ = when;
}

// syscalls: epoll_ctl
result<void> poller::control(int operation, int fd, token what, trigger t) noexcept
{
    epoll_event e{};
    switch (t) {
    case trigger::level:
        e.events = EPOLLIN;
        break;
    case trigger::edge:
        e.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        break;
    case trigger::edge_input:
        e.events = EPOLLIN | EPOLLET;
        break;
    case trigger::edge_stream_input:
        e.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;
        break;
    case trigger::edge_errors:
        e.events = EPOLLET;
        break;
    }
    e.data.u64 = what.packed();
    if (::epoll_ctl(epoll_.get(), operation, fd, &e) < 0)
        return last_error();
    return {};
}

result<void> poller::add(int fd, token what, trigger t) noexcept { return control(EPOLL_CTL_ADD, fd, what, t); }

result<void> poller::change(int fd, token what, trigger t) noexcept { return control(EPOLL_CTL_MOD, fd, what, t); }

// syscalls: epoll_ctl
void poller::remove(int fd) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

// syscalls: epoll_pwait epoll_wait
std::span<const event> poller::wait(instant now, instant until) noexcept
{
    const bool sleeps = until > now;
    if (sleeps && until < alarm_at_)
        set_alarm(now, until);
    const int n = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), sleeps ? -1 : 0);
    std::size_t count = 0;
    for (const auto& [bits, data] : std::span{ready_}.first(static_cast<std::size_t>(std::max(n, 0)))) {
        if (data.u64 == alarm_token) {
            alarm_at_ = instant::max();
            continue;
        }
        events_[count++] = {.what = token::unpack(data.u64),
                            .readable = (bits & EPOLLIN) != 0,
                            .writable = (bits & EPOLLOUT) != 0,
                            .closed_by_peer = (bits & (EPOLLRDHUP | EPOLLHUP)) != 0,
                            .error = (bits & EPOLLERR) != 0,
                            .urgent = (bits & EPOLLPRI) != 0,
                            .hung_up = (bits & EPOLLHUP) != 0};
    }
    return {events_.data(), count};
}

} // namespace tapioca::os
