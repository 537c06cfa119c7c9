#include "daemon/os/netlink.hpp"

#include "daemon/os/netlink_walk.hpp"

#include <algorithm>
#include <cstring>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace tapioca::os {

namespace {

/// The kernel fills up to 32 KiB per read of a dump if the reader has the room (netlink_dump); a link with many functions may
/// need more.
constexpr std::size_t read_size = 65536;

} // namespace

netlink_message::netlink_message(std::uint16_t type, std::uint16_t flags)
{
    octets_.reserve(256);
    octets_.resize(MNL_NLMSG_HDRLEN);
    raw().nlmsg_len = MNL_NLMSG_HDRLEN;
    raw().nlmsg_type = type;
    raw().nlmsg_flags = flags;
}

netlink_message::netlink_message(const nlmsghdr& received) : octets_(MNL_ALIGN(received.nlmsg_len))
{
    std::memcpy(octets_.data(), &received, received.nlmsg_len);
}

nlmsghdr& netlink_message::raw() noexcept { return *reinterpret_cast<nlmsghdr*>(octets_.data()); }
const nlmsghdr& netlink_message::raw() const noexcept { return *reinterpret_cast<const nlmsghdr*>(octets_.data()); }

void* netlink_message::extend(std::size_t length)
{
    const auto at = octets_.size();
    octets_.resize(at + MNL_ALIGN(length));
    raw().nlmsg_len = static_cast<std::uint32_t>(octets_.size());
    return octets_.data() + at;
}

void netlink_message::attribute(std::uint16_t type, const void* value, std::size_t length)
{
    auto* const at = static_cast<octet*>(extend(MNL_ATTR_HDRLEN + length));
    const nlattr header{static_cast<std::uint16_t>(MNL_ATTR_HDRLEN + length), type};
    std::memcpy(at, &header, sizeof header);
    if (length != 0)
        std::memcpy(at + MNL_ATTR_HDRLEN, value, length);
}

void netlink_message::attribute(std::uint16_t type, std::string_view text)
{
    auto* const at = static_cast<octet*>(extend(MNL_ATTR_HDRLEN + text.size() + 1));
    const nlattr header{static_cast<std::uint16_t>(MNL_ATTR_HDRLEN + text.size() + 1), type};
    std::memcpy(at, &header, sizeof header);
    std::memcpy(at + MNL_ATTR_HDRLEN, text.data(), text.size());
}

void netlink_message::attribute(std::uint16_t type, const ip_address& address)
{
    const auto v4 = address.v4_octets();
    if (address.is_v4())
        attribute(type, v4.data(), v4.size());
    else
        attribute(type, address.octets().data(), address.octets().size());
}

void netlink_socket::closer::operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }

netlink_socket::netlink_socket(mnl_socket* socket) : socket_(socket), buffer_(read_size) {}

result<netlink_socket> netlink_socket::open()
{
    auto* const raw = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (raw == nullptr)
        return last_error();
    netlink_socket socket{raw};
    // Old kernels lack both options: dumps are then filtered by their reader, and errors carry a copy of the request.
    int on = 1;
    mnl_socket_setsockopt(raw, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    mnl_socket_setsockopt(raw, NETLINK_CAP_ACK, &on, sizeof on);
    if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0)
        return last_error();
    return socket;
}

result<void> netlink_socket::transact(netlink_message& message, std::uint16_t flags,
                                      const std::function<void(const nlmsghdr&)>& each)
{
    auto& raw = message.raw();
    raw.nlmsg_flags = static_cast<std::uint16_t>(raw.nlmsg_flags | NLM_F_REQUEST | flags);
    raw.nlmsg_seq = ++sequence_;
    raw.nlmsg_pid = 0;
    if (mnl_socket_sendto(socket_.get(), &raw, raw.nlmsg_len) < 0)
        return last_error();
    bool interrupted = false;
    for (;;) {
        const auto got = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
        if (got < 0 && errno == EINTR)
            continue; // a signal; the answer is still to come
        if (got < 0)
            return last_error();
        int left = static_cast<int>(got);
        for (const auto* m = reinterpret_cast<const nlmsghdr*>(buffer_.data()); is_whole(m, left); m = mnl_nlmsg_next(m, &left)) {
            if (m->nlmsg_seq != sequence_)
                continue; // the rest of an answer that was given up
            interrupted = interrupted || (m->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) {
                const int error = result_of(*m);
                if (error == 0 && !interrupted)
                    return {};
                return boost::system::error_code{error != 0 ? error : EINTR, boost::system::system_category()};
            }
            if (each)
                each(*m);
        }
    }
}

result<void> netlink_socket::dump(netlink_message& request, const std::function<void(const nlmsghdr&)>& each)
{
    return transact(request, NLM_F_DUMP, each);
}

result<void> netlink_socket::join(unsigned group)
{
    auto number = static_cast<int>(group);
    if (mnl_socket_setsockopt(socket_.get(), NETLINK_ADD_MEMBERSHIP, &number, sizeof number) < 0)
        return last_error();
    return {};
}

result<void> netlink_socket::listen(std::chrono::steady_clock::time_point end, const std::function<bool(const nlmsghdr&)>& each)
{
    using namespace std::chrono;
    for (;;) {
        const auto left_us = std::max<microseconds::rep>(duration_cast<microseconds>(end - steady_clock::now()).count(), 1);
        const timeval patience{left_us / 1'000'000, left_us % 1'000'000}; // zero would be without end
        ::setsockopt(mnl_socket_get_fd(socket_.get()), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const auto got = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return last_error();
        int left = static_cast<int>(got);
        for (const auto* m = reinterpret_cast<const nlmsghdr*>(buffer_.data()); is_whole(m, left); m = mnl_nlmsg_next(m, &left))
            if (each(*m))
                return {};
    }
}

result<void> netlink_socket::request(netlink_message& message) { return transact(message, NLM_F_ACK, {}); }

} // namespace tapioca::os
