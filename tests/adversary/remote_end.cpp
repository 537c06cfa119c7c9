#include "tests/adversary/remote_end.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tapioca::adversary {

remote_end::~remote_end() { close(); }

void remote_end::close()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
    descriptor_ = -1;
}

void remote_end::on_event(std::uint32_t events)
{
    readable_ = readable_ || (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    writable_ = writable_ || (events & (EPOLLOUT | EPOLLERR)) != 0;
}

void remote_end::fail(int why)
{
    if (why == ECONNRESET || why == EPIPE)
        saw_reset = true;
    else
        error = why;
    over_ = true;
    close();
}

void remote_end::reset()
{
    const linger at_once{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    over_ = true;
    close();
}

void remote_end::turn(instant now)
{
    if (descriptor_ < 0)
        return;
    read_some(now);
    if (!over_)
        write_some(now);
    if (!over_)
        shut_if_due(now);
    if (!over_ && saw_end && is_shut) {
        over_ = true;
        close();
    }
}

void remote_end::read_some(instant now)
{
    octet buffer[65536];
    for (int rounds = 0; rounds < 16 && readable_ && !saw_end && now >= read_at_; ++rounds) {
        const auto& a = plan_.peer;
        if (!has_stopped_ && read >= a.stop_at) {
            has_stopped_ = true;
            read_at_ = now + a.stop_for;
            return;
        }
        auto most = a.greedy ? sizeof buffer : std::min<std::uint64_t>(a.sip, sizeof buffer);
        if (!has_stopped_)
            most = std::min<std::uint64_t>(most, std::max<std::uint64_t>(a.stop_at - read, 1));
        const auto n = ::recv(descriptor_, buffer, most, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            readable_ = false;
            return;
        }
        if (n < 0)
            return fail(errno);
        if (n == 0 && saw_reset) { // sending has been told of the reset already
            over_ = true;
            return close();
        }
        if (n == 0) {
            saw_end = true;
            return;
        }
        is_wrong = is_wrong || !incoming_.matches({buffer, static_cast<std::size_t>(n)}, read);
        read += static_cast<std::uint64_t>(n);
        if (!a.greedy)
            read_at_ = now + a.pause;
    }
}

void remote_end::write_some(instant now)
{
    octet buffer[65536];
    for (int rounds = 0; rounds < 16 && writable_ && !saw_reset && written < plan_.down && now >= write_at_; ++rounds) {
        const auto chunk = std::min<std::uint64_t>({plan_.down_chunk, plan_.down - written, sizeof buffer});
        outgoing_.fill({buffer, static_cast<std::size_t>(chunk)}, written);
        const auto n = ::send(descriptor_, buffer, chunk, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            writable_ = false;
            return;
        }
        if (n < 0 && errno != ECONNRESET && errno != EPIPE)
            return fail(errno);
        if (n < 0) { // what came before the reset is still read
            saw_reset = true;
            return;
        }
        written += static_cast<std::uint64_t>(n);
        write_at_ = now + plan_.down_pause;
    }
}

void remote_end::shut_if_due(instant now)
{
    const bool may = has_written_all() &&
                     (plan_.how_peer_ends == peer_end::after_data || (plan_.how_peer_ends == peer_end::after_guest && saw_end));
    if (is_shut || saw_reset || !may || (plan_.how_guest_ends == guest_end::fin_at_once_both && !end_asked_))
        return;
    if (shut_at_ == instant::max())
        shut_at_ = now + plan_.end_pause;
    if (now < shut_at_ && !end_asked_)
        return;
    is_shut = true;
    if (::shutdown(descriptor_, SHUT_WR) != 0 && errno != ENOTCONN)
        fail(errno);
}

instant remote_end::next() const
{
    auto when = instant::max();
    if (descriptor_ < 0)
        return when;
    if (readable_ && !saw_end)
        when = std::min(when, read_at_);
    if (writable_ && !saw_reset && written < plan_.down)
        when = std::min(when, write_at_);
    if (!is_shut)
        when = std::min(when, shut_at_);
    return when;
}

} // namespace tapioca::adversary
