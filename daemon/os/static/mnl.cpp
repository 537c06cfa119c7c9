// The part of libmnl's interface that daemon/os uses, for a static build where the distribution packages libmnl as a shared
// library alone. Read netlink(7), rtnetlink(7) and the NLMSG and NLA macros of <linux/netlink.h> first.
#include <libmnl/libmnl.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

// The type is opaque in the header, so what is in it is ours to say.
struct mnl_socket {
    int fd;
    sockaddr_nl own;
};

namespace {

template <class To>
To* offset(const void* from, std::size_t octets)
{
    return reinterpret_cast<To*>(const_cast<char*>(static_cast<const char*>(from)) + octets);
}

} // namespace

extern "C" {

mnl_socket* mnl_socket_open2(int bus, int flags)
{
    auto* const socket = static_cast<mnl_socket*>(std::calloc(1, sizeof(mnl_socket)));
    if (socket == nullptr)
        return nullptr;
    socket->fd = ::socket(AF_NETLINK, SOCK_RAW | flags, bus);
    if (socket->fd >= 0)
        return socket;
    std::free(socket);
    return nullptr;
}

int mnl_socket_close(mnl_socket* socket)
{
    const int outcome = ::close(socket->fd);
    std::free(socket);
    return outcome;
}

int mnl_socket_bind(mnl_socket* socket, unsigned groups, pid_t pid)
{
    socket->own = {};
    socket->own.nl_family = AF_NETLINK;
    socket->own.nl_groups = groups;
    socket->own.nl_pid = static_cast<std::uint32_t>(pid);
    auto* const address = reinterpret_cast<sockaddr*>(&socket->own);
    socklen_t length = sizeof socket->own;
    if (::bind(socket->fd, address, length) != 0 || ::getsockname(socket->fd, address, &length) != 0)
        return -1;
    if (length == sizeof socket->own && socket->own.nl_family == AF_NETLINK)
        return 0;
    errno = EINVAL;
    return -1;
}

int mnl_socket_setsockopt(const mnl_socket* socket, int type, void* value, socklen_t length)
{
    return ::setsockopt(socket->fd, SOL_NETLINK, type, value, length);
}

ssize_t mnl_socket_sendto(const mnl_socket* socket, const void* octets, size_t length)
{
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    return ::sendto(socket->fd, octets, length, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
}

/// A datagram that did not fit is an error, and one that is not the kernel's is none of ours.
ssize_t mnl_socket_recvfrom(const mnl_socket* socket, void* into, size_t size)
{
    sockaddr_nl sender{};
    iovec body{into, size};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &body;
    message.msg_iovlen = 1;
    const ssize_t length = ::recvmsg(socket->fd, &message, 0);
    if (length < 0)
        return length;
    if ((message.msg_flags & MSG_TRUNC) != 0 || message.msg_namelen != sizeof sender) {
        errno = (message.msg_flags & MSG_TRUNC) != 0 ? ENOSPC : EINVAL;
        return -1;
    }
    return length;
}

bool mnl_nlmsg_ok(const nlmsghdr* message, int left)
{
    return left >= static_cast<int>(sizeof(nlmsghdr)) && message->nlmsg_len >= sizeof(nlmsghdr) &&
           message->nlmsg_len <= static_cast<std::uint32_t>(left);
}

nlmsghdr* mnl_nlmsg_next(const nlmsghdr* message, int* left)
{
    *left -= static_cast<int>(MNL_ALIGN(message->nlmsg_len));
    return offset<nlmsghdr>(message, MNL_ALIGN(message->nlmsg_len));
}

void* mnl_nlmsg_get_payload(const nlmsghdr* message) { return offset<char>(message, MNL_NLMSG_HDRLEN); }
size_t mnl_nlmsg_get_payload_len(const nlmsghdr* message) { return message->nlmsg_len - MNL_NLMSG_HDRLEN; }
void* mnl_nlmsg_get_payload_tail(const nlmsghdr* message) { return offset<char>(message, MNL_ALIGN(message->nlmsg_len)); }

void* mnl_nlmsg_get_payload_offset(const nlmsghdr* message, size_t octets)
{
    return offset<char>(message, MNL_NLMSG_HDRLEN + MNL_ALIGN(octets));
}

bool mnl_attr_ok(const nlattr* attribute, int left)
{
    return left >= static_cast<int>(sizeof(nlattr)) && attribute->nla_len >= sizeof(nlattr) && attribute->nla_len <= left;
}

nlattr* mnl_attr_next(const nlattr* attribute) { return offset<nlattr>(attribute, MNL_ALIGN(attribute->nla_len)); }
std::uint16_t mnl_attr_get_type(const nlattr* attribute) { return attribute->nla_type & NLA_TYPE_MASK; }
void* mnl_attr_get_payload(const nlattr* attribute) { return offset<char>(attribute, MNL_ATTR_HDRLEN); }
const char* mnl_attr_get_str(const nlattr* attribute) { return offset<const char>(attribute, MNL_ATTR_HDRLEN); }

std::uint16_t mnl_attr_get_payload_len(const nlattr* attribute)
{
    return static_cast<std::uint16_t>(attribute->nla_len - MNL_ATTR_HDRLEN);
}

} // extern "C"
