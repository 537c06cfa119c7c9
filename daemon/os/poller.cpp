#include "daemon/os/poller.hpp"

#include <algorithm>
#include <system_error>

namespace tapioca::os {

// syscalls: epoll_create1
poller::poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC))
{
    if (!epoll_)
        throw std::system_error(errno, std::generic_category(), "Couldn't create an epoll instance");
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
    int timeout = -1;
    if (until <= now) {
        timeout = 0;
    } else if (until != instant::max()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
        timeout = static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
    }
    const int n = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), timeout);
    const auto count = static_cast<std::size_t>(std::max(n, 0));
    for (std::size_t i = 0; i < count; ++i) {
        const auto bits = ready_[i].events;
        events_[i] = {.what = token::unpack(ready_[i].data.u64),
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
