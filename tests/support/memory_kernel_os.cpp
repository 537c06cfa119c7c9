// daemon/os over the memory kernel: these definitions stand in for those of socket.cpp, poller.cpp and clock.cpp.

#include "daemon/os/batch_io.hpp"
#include "daemon/os/clock.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/memory_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/syscall.h>
#include <tuple>

using tapioca::test::memory_kernel;
using tapioca::test::memory_socket;

/// Sockets of the memory kernel are closed there, also when unique_fd does it.
extern "C" int close(int fd)
{
    if (memory_kernel::is_running() && memory_kernel::now_running().close(fd))
        return 0;
    return static_cast<int>(::syscall(SYS_close, fd));
}

namespace tapioca::os {
namespace {

memory_kernel& kernel() { return memory_kernel::now_running(); }

boost::system::error_code failure(int error) { return {error, boost::system::system_category()}; }

result<unique_fd> opened(const memory_socket* s)
{
    if (s == nullptr)
        return failure(kernel().socket_fails);
    return unique_fd{s->fd};
}

/// Why there is nothing to read, as tcp_recvmsg says it: an error once, then the end of the stream, else later.
result<std::size_t> nothing_to_read(memory_socket& s)
{
    if (s.error != 0)
        return failure(std::exchange(s.error, 0));
    if (s.peer_finished || s.at == memory_socket::stage::over)
        return std::size_t{0};
    return failure(s.at == memory_socket::stage::connected ? EAGAIN : ENOTCONN);
}

/// A message leaves whole, or not at all.
result<std::size_t> send_datagram(memory_socket& s, const outgoing& message)
{
    const test::uncounted_allocations quiet;
    if (s.error != 0)
        return failure(std::exchange(s.error, 0));
    if (kernel().send_failures > 0) {
        --kernel().send_failures;
        return failure(kernel().send_fails);
    }
    std::size_t octets = 0;
    for (const auto piece : message.pieces)
        octets += piece.size();
    if (octets > (1U << 16) - 1)
        return failure(EMSGSIZE);
    kernel().on_datagram(s, message);
    return octets;
}

template <class Change>
result<void> with(int fd, Change change)
{
    auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    change(*s);
    return {};
}

} // namespace

instant now() noexcept { return kernel().clock; }
duration since_1970() noexcept { return kernel().clock.time_since_epoch(); }

result<unique_fd> tcp_socket(ip_family) noexcept { return opened(kernel().make_socket()); }
result<unique_fd> udp_socket(ip_family) noexcept
{
    if (kernel().has_udp)
        return opened(kernel().make_datagram_socket());
    return failure(EAFNOSUPPORT);
}
result<unique_fd> ping_socket(ip_family) noexcept
{
    if (kernel().has_ping)
        return opened(kernel().make_datagram_socket());
    return failure(EACCES);
}

result<void> bind(int fd, const endpoint& local, unsigned) noexcept
{
    if (kernel().bind_fails != 0)
        return failure(kernel().bind_fails);
    return with(fd, [&](memory_socket& s) { s.local = local; });
}
result<void> bind_to_device(int fd, std::string_view) noexcept
{
    return with(fd, [](memory_socket&) {});
}

result<connect_progress> connect(int fd, const endpoint& remote, unsigned) noexcept
{
    const test::uncounted_allocations quiet;
    auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    s->remote = remote;
    if (s->datagrams)
        return connect_progress::connected;
    s->at = memory_socket::stage::connecting;
    const int error = kernel().on_connect(*s);
    if (error == 0) {
        s->at = memory_socket::stage::connected;
        return connect_progress::connected;
    }
    if (error == EINPROGRESS)
        return connect_progress::in_progress;
    return failure(error);
}

result<endpoint> local_endpoint(int fd) noexcept
{
    const auto* s = kernel().find(fd);
    return s == nullptr ? result<endpoint>{failure(EBADF)} : result<endpoint>{s->local};
}
result<endpoint> peer_endpoint(int fd) noexcept
{
    const auto* s = kernel().find(fd);
    return s == nullptr ? result<endpoint>{failure(EBADF)} : result<endpoint>{s->remote};
}

int take_error(int fd) noexcept
{
    auto* s = kernel().find(fd);
    return s == nullptr ? EBADF : std::exchange(s->error, 0);
}

bool has_tcp_peek_offset(ip_family) noexcept { return kernel().has_peek_offset; }

result<void> set_peek_offset(int fd, std::uint32_t octets) noexcept
{
    if (!kernel().has_peek_offset)
        return failure(EOPNOTSUPP);
    return with(fd, [&](memory_socket& s) {
        s.peeks_from_offset = true;
        s.peek_offset = octets;
    });
}

result<std::size_t> peek(int fd, bytes_span into) noexcept
{
    auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    const auto from = s->peeks_from_offset ? s->peek_offset : 0;
    if (s->received.size() <= from)
        return nothing_to_read(*s);
    const auto octets = s->visible(from);
    const auto count = std::min(octets.size(), into.size());
    std::memcpy(into.data(), octets.data(), count);
    if (s->peeks_from_offset)
        s->peek_offset += count;
    return count;
}

result<std::size_t> peek(int fd, std::span<const bytes_span> pieces) noexcept
{
    auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    const auto before = std::pair{s->peeks_from_offset, s->peek_offset};
    if (!s->peeks_from_offset)
        s->peek_offset = 0;
    s->peeks_from_offset = true; // the pieces follow each other in any case; only an offset that was set outlives the call
    std::size_t got = 0;
    auto last = result<std::size_t>{got};
    for (const auto piece : pieces) {
        last = peek(fd, piece);
        got += last ? *last : 0;
        if (!last || *last != piece.size())
            break;
    }
    if (!before.first)
        std::tie(s->peeks_from_offset, s->peek_offset) = before;
    return got != 0 ? result<std::size_t>{got} : last;
}

result<std::size_t> receive(int fd, bytes_span into) noexcept
{
    auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    if (s->received.empty())
        return nothing_to_read(*s);
    const auto octets = s->visible(0);
    const auto count = std::min(octets.size(), into.size());
    std::memcpy(into.data(), octets.data(), count);
    return discard(fd, count);
}

result<std::size_t> receive(int fd, std::span<const bytes_span> pieces) noexcept
{
    std::size_t got = 0;
    for (const auto piece : pieces) {
        const auto n = receive(fd, piece);
        if (!n)
            return got != 0 ? result<std::size_t>{got} : n;
        got += *n;
        if (*n != piece.size())
            break;
    }
    return got;
}

result<std::size_t> discard(int fd, std::size_t octets) noexcept
{
    auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    if (s->received.empty())
        return nothing_to_read(*s);
    const auto count = std::min(octets, s->received.size());
    s->received.pop(count);
    if (s->urgent_at != SIZE_MAX)
        s->urgent_at = count > s->urgent_at ? SIZE_MAX : s->urgent_at - count;
    s->peek_offset -= std::min(s->peek_offset, count);
    return count;
}

result<std::size_t> send(int fd, std::span<const bytes_view> pieces) noexcept
{
    const test::uncounted_allocations quiet;
    auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    if (s->error != 0)
        return failure(std::exchange(s->error, 0));
    if (s->write_shut || s->at == memory_socket::stage::over)
        return failure(EPIPE);
    if (s->at != memory_socket::stage::connected)
        return failure(EAGAIN);
    if (s->datagrams)
        return send_datagram(*s, {.pieces = pieces, .segment = 0, .ttl = {}, .tos = {}});
    std::size_t sent = 0;
    for (auto piece : pieces.first(std::min(pieces.size(), most_pieces))) {
        const auto count = std::min(piece.size(), s->send_room());
        s->sending.push(piece.first(count));
        sent += count;
        if (count != piece.size()) {
            s->out_of_space = true;
            break;
        }
    }
    if (sent == 0 && s->out_of_space)
        return failure(EAGAIN);
    return sent;
}

std::uint32_t unacknowledged(int fd) noexcept
{
    const auto* s = kernel().find(fd);
    return s == nullptr ? 0 : static_cast<std::uint32_t>(s->sending.size());
}

result<tcp_figures> figures_of_tcp(int fd) noexcept
{
    const auto* s = kernel().find(fd);
    if (s == nullptr)
        return failure(EBADF);
    return tcp_figures{.state = 1, .sent = s->sending.size(), .received = s->received.size()};
}

void shutdown_write(int fd) noexcept
{
    (void)with(fd, [](memory_socket& s) { s.write_shut = true; });
}
void reset_on_close(int fd) noexcept
{
    (void)with(fd, [](memory_socket& s) { s.resets_on_close = true; });
}
void end_handshake_with_data(int) noexcept {}

void keep_alive(int fd) noexcept
{
    (void)with(fd, [](memory_socket& s) { s.keeps_alive = true; });
}
void set_keep_alive_times(int fd, int idle, int interval) noexcept
{
    (void)with(fd, [=](memory_socket& s) {
        s.keep_idle = idle;
        s.keep_interval = interval;
    });
}
void close(int fd) noexcept { ::close(fd); }

result<void> set_ttl(int fd, ip_family, octet ttl) noexcept
{
    return with(fd, [&](memory_socket& s) { s.ttl = ttl; });
}
result<void> set_receive_errors(int fd, ip_family, bool on) noexcept
{
    return with(fd, [&](memory_socket& s) { s.receives_errors = on; });
}
result<void> set_tos(int fd, ip_family, octet) noexcept
{
    return with(fd, [](memory_socket&) {});
}
result<octet> default_ttl() noexcept { return octet{64}; }
result<void> allow_broadcast(int fd) noexcept
{
    return with(fd, [](memory_socket&) {});
}
result<void> set_v6_only(int fd) noexcept { return allow_broadcast(fd); }
result<void> set_udp_gro(int fd) noexcept { return allow_broadcast(fd); }
result<void> set_fragmentation(int fd, ip_family, fragmentation) noexcept { return allow_broadcast(fd); }
/// As on Linux, the socket's error goes with the last entry.
result<queued_error> take_queued_error(int fd, bytes_span payload) noexcept
{
    const test::uncounted_allocations quiet;
    auto* s = kernel().find(fd);
    if (s == nullptr || s->error_queue.empty())
        return failure(EAGAIN);
    auto entry = s->error_queue.front();
    entry.length = std::min(entry.length, payload.size());
    std::fill_n(payload.begin(), entry.length, octet{0});
    s->error_queue.pop_front();
    s->error = s->error_queue.empty() ? 0 : s->error;
    return entry;
}

result<std::size_t> send_batch(int fd, ip_family, std::span<const outgoing> messages) noexcept
{
    auto* s = kernel().find(fd);
    if (s == nullptr || !s->datagrams)
        return failure(EBADF);
    for (std::size_t i = 0; i < messages.size(); ++i)
        if (const auto sent = send_datagram(*s, messages[i]); !sent)
            return i != 0 ? result<std::size_t>{i} : sent;
    return messages.size();
}

result<std::size_t> receive_batch(int fd, std::span<const bytes_span> buffers, std::span<incoming> into, want_addresses) noexcept
{
    auto* s = kernel().find(fd);
    if (s == nullptr || !s->datagrams)
        return failure(EBADF);
    if (s->error != 0)
        return failure(std::exchange(s->error, 0));
    const test::uncounted_allocations quiet;
    std::size_t count = 0;
    for (; count < std::min(buffers.size(), into.size()) && !s->arrived.empty(); ++count) {
        const auto& d = s->arrived.front();
        const auto length = std::min(d.octets.size(), buffers[count].size());
        std::copy_n(d.octets.begin(), length, buffers[count].begin());
        into[count] = {length, d.segment, length != d.octets.size(), d.source, d.destination, d.destination};
        s->arrived.pop_front();
    }
    if (count == 0)
        return failure(EAGAIN);
    return count;
}

result<accepted> accept(int) noexcept { return failure(EAGAIN); }

poller::poller() {}

result<void> poller::add(int fd, token what, trigger t) noexcept
{
    if (kernel().watch_fails != 0)
        return failure(kernel().watch_fails);
    return with(fd, [&](memory_socket& s) {
        s.watcher = this;
        s.token = what;
        s.edge = t != trigger::level;
        s.news = true;
    });
}

result<void> poller::change(int fd, token what, trigger t) noexcept
{
    return with(fd, [&](memory_socket& s) {
        s.token = what;
        s.edge = t != trigger::level;
        s.muted = t == trigger::edge_errors;
        s.news = true;
    });
}

std::span<const event> poller::wait(instant, instant) noexcept { return {events_.data(), kernel().collect(*this, events_)}; }

} // namespace tapioca::os
