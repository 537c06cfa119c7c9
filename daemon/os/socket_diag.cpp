#include "daemon/os/socket_diag.hpp"

#include "daemon/os/netlink_walk.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tapioca::os {

namespace {

/// A UDP socket without a peer is in the state TCP_CLOSE, one that is connected in TCP_ESTABLISHED.
std::uint32_t states_of(octet protocol) { return 1U << (protocol == wire::protocol_tcp ? TCP_LISTEN : TCP_CLOSE); }

boost::system::error_code error_of(int number) { return {number, boost::system::system_category()}; }

void add_port(const nlmsghdr& m, port_set& into)
{
    inet_diag_msg socket;
    if (m.nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(&m) < sizeof socket)
        return;
    std::memcpy(&socket, mnl_nlmsg_get_payload(&m), sizeof socket);
    if (const auto port = ntohs(socket.id.idiag_sport); port != 0)
        into.set(port);
}

struct dump_part {
    bool last = false;
    int error = 0;
};

/// Takes the ports out of one read; messages of an earlier dump are passed over.
dump_part take(bytes_view octets, std::uint32_t sequence, port_set& into)
{
    dump_part part;
    int left = static_cast<int>(octets.size());
    const auto* m = reinterpret_cast<const nlmsghdr*>(octets.data());
    for (; is_whole(m, left); m = mnl_nlmsg_next(m, &left)) {
        if (m->nlmsg_seq != sequence)
            continue;
        if ((m->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
            part.error = EINTR;
        if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) {
            part.last = true;
            if (const auto error = result_of(*m); error != 0)
                part.error = error;
        } else {
            add_port(*m, into);
        }
    }
    return part;
}

} // namespace

// syscalls: socket
result<socket_diag> socket_diag::open()
{
    unique_fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG)};
    if (!socket)
        return last_error();
    return socket_diag{std::move(socket)};
}

socket_diag::socket_diag(unique_fd socket) : socket_(std::move(socket)), buffer_(std::make_unique<buffer>()) {}

result<void> socket_diag::add_bound_ports(octet protocol, port_set& into)
{
    for (const octet family : {octet{AF_INET}, octet{AF_INET6}})
        if (const auto done = dump(family, protocol, into); !done)
            return done;
    return {};
}

result<void> socket_diag::dump(octet family, octet protocol, port_set& into)
{
    const auto once = [&]() -> result<void> {
        if (const auto asked = ask(family, protocol); !asked)
            return asked;
        return read_answer(into);
    };
    auto done = once();
    // EBUSY: an earlier dump was given up before its end, and has been read to its end now.
    if (!done && (done.error().value() == EINTR || done.error().value() == EBUSY))
        done = once();
    return done;
}

// syscalls: sendto
result<void> socket_diag::ask(octet family, octet protocol)
{
    struct {
        nlmsghdr header;
        inet_diag_req_v2 wanted;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.header.nlmsg_seq = ++sequence_;
    request.wanted.sdiag_family = family;
    request.wanted.sdiag_protocol = protocol;
    request.wanted.idiag_states = states_of(protocol);
    if (::send(socket_.get(), &request, sizeof request, MSG_NOSIGNAL) < 0)
        return last_error();
    return {};
}

/// The kernel prepares the next part of a dump while the one before is read: as long as a dump runs there is something to read,
/// and when there is nothing (EAGAIN), nothing will come. What goes wrong is remembered and the dump read to its end all the
/// same, because the rest would be in the way of the next one.
// syscalls: recvfrom
result<void> socket_diag::read_answer(port_set& into)
{
    int failure = 0;
    for (;;) {
        sockaddr_nl sender{};
        socklen_t sender_length = sizeof sender;
        const auto got = ::recvfrom(socket_.get(), buffer_->data(), buffer_->size(), MSG_DONTWAIT | MSG_TRUNC,
                                    reinterpret_cast<sockaddr*>(&sender), &sender_length);
        if (got < 0 && (errno == EINTR || errno == ENOBUFS)) {
            if (errno == ENOBUFS)
                failure = ENOBUFS; // the kernel had no memory for the next part; the dump stays as it is until it is read again
            continue;
        }
        if (got <= 0)
            return error_of(failure != 0 ? failure : got < 0 ? errno : ECONNRESET);
        if (sender.nl_pid != 0)
            continue; // some process, not the kernel
        const auto length = static_cast<std::size_t>(got);
        if (length > buffer_->size())
            failure = EMSGSIZE;
        const auto part = take({buffer_->data(), std::min(length, buffer_->size())}, sequence_, into);
        if (failure == 0)
            failure = part.error;
        if (part.last && failure != EBUSY)
            return failure == 0 ? result<void>{} : error_of(failure);
    }
}

} // namespace tapioca::os
