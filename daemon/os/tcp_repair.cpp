#include "daemon/os/tcp_repair.hpp"

#include "daemon/os/socket.hpp"

#include <algorithm>
#include <array>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace tapioca::os {
namespace {

using migrate::socket_record;
using migrate::socket_state;

constexpr std::size_t first_peek = 4096;     ///< most connections have nothing in their queues; larger ones are looked at again
constexpr std::size_t smallest_piece = 1024; ///< of a queue that is filled

template <class T>
result<void> done(T outcome) noexcept
{
    if (outcome < 0)
        return last_error();
    return {};
}

// syscalls: setsockopt
result<void> select_queue(int fd, int queue) noexcept
{
    return done(::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof queue));
}

// syscalls: getsockopt
result<std::uint32_t> queue_end(int fd) noexcept
{
    std::uint32_t seq = 0;
    socklen_t length = sizeof seq;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &length) != 0)
        return last_error();
    return seq;
}

// syscalls: setsockopt
result<void> set_queue_seq(int fd, seq_number seq) noexcept
{
    const auto value = seq.value();
    return done(::setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &value, sizeof value));
}

/// All octets of the selected queue: what fills the buffer may not be all.
// syscalls: recvfrom
result<std::vector<octet>> peek_queue(int fd)
{
    std::vector<octet> octets(first_peek);
    for (;;) {
        const auto n = ::recv(fd, octets.data(), octets.size(), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return last_error();
        const auto count = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
        if (count < octets.size()) {
            octets.resize(count);
            return octets;
        }
        if (count > migrate::longest_queue)
            return boost::system::error_code{EMSGSIZE, boost::system::system_category()};
        octets.resize(2 * octets.size());
    }
}

// syscalls: getsockopt
result<void> read_figures(int fd, socket_record& r, std::uint32_t& unsent) noexcept
{
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return last_error();
    r.state = static_cast<socket_state>(info.tcpi_state);
    r.options = info.tcpi_options & (migrate::option::timestamps | migrate::option::sack | migrate::option::window_scale);
    r.send_scale = info.tcpi_snd_wscale;
    r.receive_scale = info.tcpi_rcv_wscale;
    unsent = info.tcpi_notsent_bytes;
    int mss = 0;
    length = sizeof mss;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &length) != 0)
        return last_error();
    r.mss = static_cast<std::uint32_t>(mss);
    length = sizeof r.timestamp;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &r.timestamp, &length) != 0)
        return last_error();
    tcp_repair_window window{};
    length = sizeof window;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &length) != 0)
        return last_error();
    r.snd_wl1 = window.snd_wl1;
    r.snd_wnd = window.snd_wnd;
    r.max_window = window.max_window;
    r.rcv_wnd = window.rcv_wnd;
    r.rcv_wup = window.rcv_wup;
    return {};
}

/// Where the queues begin. A FIN in the send queue, or one that was acknowledged, is behind the last octet; one of the peer's is
/// counted with what was received, so that both numbers together are right for the peer.
void number_queues(socket_record& r, std::uint32_t write_seq, std::uint32_t rcv_nxt) noexcept
{
    const bool fin = r.fin_is_queued() || r.state == socket_state::fin_wait_2;
    r.send_begin = seq_number{write_seq} - r.send_octets - (fin ? 1U : 0U);
    r.receive_begin = seq_number{rcv_nxt} - r.receive_octets;
    if (r.peer_has_finished()) { // as if the window did not have the FIN in it
        r.rcv_wup -= 1;
        r.rcv_wnd += 1;
    }
    r.options |= migrate::option::exact_sequence;
}

// syscalls: setsockopt
result<void> set_options(int fd, const socket_record& r) noexcept
{
    constexpr std::uint32_t mss = 2, window = 3, sack = 4, timestamp = 8; // kinds of options: RFC 9293, 2018, 7323
    std::array<tcp_repair_opt, 4> wanted{};
    std::size_t count = 0;
    wanted[count++] = {mss, r.mss};
    if ((r.options & migrate::option::window_scale) != 0)
        wanted[count++] = {window, r.send_scale | std::uint32_t{r.receive_scale} << 16};
    if ((r.options & migrate::option::sack) != 0)
        wanted[count++] = {sack, 0};
    if ((r.options & migrate::option::timestamps) != 0)
        wanted[count++] = {timestamp, 0};
    if (::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, wanted.data(), static_cast<socklen_t>(count * sizeof wanted[0])) != 0)
        return last_error();
    const tcp_repair_window edges{r.snd_wl1, r.snd_wnd, std::max(r.max_window, r.snd_wnd), r.rcv_wnd, r.rcv_wup};
    return done(::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &edges, sizeof edges));
}

/// How many octets found room: large pieces may be refused where smaller ones are not.
// syscalls: sendto
std::size_t fill_queue(int fd, bytes_view octets) noexcept
{
    std::size_t filled = 0;
    for (std::size_t piece = std::size_t{1} << 16; filled < octets.size() && piece >= smallest_piece;) {
        const auto part = octets.subspan(filled, std::min(piece, octets.size() - filled));
        const auto n = ::send(fd, part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            filled += static_cast<std::size_t>(n);
        else
            piece /= 2;
    }
    return filled;
}

/// Before the connection is there: the segments' size is reckoned when it is made, and not when the option is set.
// syscalls: setsockopt
result<void> prepare(int fd, const socket_record& r) noexcept
{
    const int mss = static_cast<int>(std::min<std::uint32_t>(r.mss, 32767));
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof mss);
    if (const auto set = select_queue(fd, TCP_SEND_QUEUE); !set)
        return set;
    if (const auto set = set_queue_seq(fd, r.send_begin); !set)
        return set;
    if (const auto set = select_queue(fd, TCP_RECV_QUEUE); !set)
        return set;
    if (const auto set = set_queue_seq(fd, r.receive_begin); !set)
        return set;
    return done(::setsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &r.timestamp, sizeof r.timestamp));
}

} // namespace

// syscalls: setsockopt
result<void> turn_deaf(int fd) noexcept
{
    sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const sock_fprog program{1, drop_all};
    if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0)
        return {};
    // Some kernels keep filters to the privileged. No packet that has come over a router has so large a time to live.
    const int furthest = 255;
    const auto v6 = ::setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &furthest, sizeof furthest);
    const auto v4 = ::setsockopt(fd, IPPROTO_IP, IP_MINTTL, &furthest, sizeof furthest);
    return done(v4 == 0 || v6 == 0 ? 0 : -1);
}

// syscalls: setsockopt
void hear(int fd) noexcept
{
    const int none = 0;
    ::setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &none, sizeof none);
    ::setsockopt(fd, IPPROTO_IP, IP_MINTTL, &none, sizeof none);
}

// syscalls: setsockopt
result<taken_apart> take_apart(int fd)
{
    taken_apart t;
    std::uint32_t unsent = 0;
    if (const auto read = read_figures(fd, t.record, unsent); !read)
        return read.error();
    if (!goes_on(t.record.state)) {
        t.record.state = socket_state::absent;
        return t;
    }
    const int off = -1;
    ::setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off);
    std::array<std::uint32_t, 2> ends{};
    for (const auto queue : {TCP_RECV_QUEUE, TCP_SEND_QUEUE}) {
        if (const auto selected = select_queue(fd, queue); !selected)
            return selected.error();
        const auto end = queue_end(fd);
        if (!end)
            return end.error();
        auto octets = peek_queue(fd);
        if (!octets)
            return octets.error();
        ends[queue == TCP_SEND_QUEUE ? 1 : 0] = *end;
        (queue == TCP_SEND_QUEUE ? t.send_queue : t.receive_queue) = std::move(*octets);
    }
    auto& r = t.record;
    r.send_octets = static_cast<std::uint32_t>(t.send_queue.size());
    r.receive_octets = static_cast<std::uint32_t>(t.receive_queue.size());
    if (r.fin_is_queued() && unsent != 0)
        --unsent; // the FIN
    r.unsent = std::min(unsent, r.send_octets);
    number_queues(r, ends[1], ends[0]);
    return t;
}

result<std::size_t> put_together(int fd, const endpoint& own, const endpoint& peer, unsigned scope, const socket_record& record,
                                 bytes_view send_queue, bytes_view receive_queue) noexcept
{
    if (const auto bound = bind(fd, own, scope); !bound)
        return bound.error();
    if (const auto prepared = prepare(fd, record); !prepared)
        return prepared.error();
    if (const auto connected = connect(fd, peer, scope); !connected)
        return connected.error();
    if (fill_queue(fd, receive_queue) != receive_queue.size())
        return boost::system::error_code{ENOBUFS, boost::system::system_category()};
    if (const auto set = set_options(fd, record); !set)
        return set.error();
    if (const auto selected = select_queue(fd, TCP_SEND_QUEUE); !selected)
        return selected.error();
    const auto sent = fill_queue(fd, send_queue.first(send_queue.size() - record.unsent));
    if (record.state == socket_state::fin_wait_2) // the FIN is in the queue as one that was sent
        shutdown_write(fd);
    return sent;
}

// syscalls: shutdown
void shutdown_read(int fd) noexcept { ::shutdown(fd, SHUT_RD); }

// syscalls: sendmsg
result<void> send_with_sockets(int channel, octet command, std::span<const int> sockets) noexcept
{
    alignas(cmsghdr) std::array<char, CMSG_SPACE(most_repaired * sizeof(int))> control{};
    iovec what{&command, sizeof command};
    msghdr message{};
    message.msg_iov = &what;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sockets.size_bytes());
    auto* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sockets.size_bytes());
    std::memcpy(CMSG_DATA(c), sockets.data(), sockets.size_bytes());
    const auto n = ::sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return last_error();
    return {};
}

} // namespace tapioca::os
