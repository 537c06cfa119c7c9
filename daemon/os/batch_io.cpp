#include "daemon/os/batch_io.hpp"

#include "daemon/os/sockaddr.hpp"

#include <algorithm>
#include <array>
#include <netinet/udp.h>
#include <sys/uio.h>

namespace tapioca::os {
namespace {

/// Room for control messages: segment size, TTL, TOS and packet information on the way out; segment size and packet information,
/// of both families, on the way in.
struct alignas(cmsghdr) control_buffer {
    std::array<char, 112> octets;
};
static_assert(sizeof(control_buffer) >= 3 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo)) &&
              sizeof(control_buffer) >=
                  CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(in6_pktinfo)));

template <class T>
void put_control(msghdr& message, control_buffer& buffer, int level, int type, T value) noexcept
{
    auto* at = reinterpret_cast<cmsghdr*>(buffer.octets.data() + message.msg_controllen);
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(at), &value, sizeof value);
    message.msg_control = buffer.octets.data();
    message.msg_controllen += CMSG_SPACE(sizeof value);
}

void put_controls(msghdr& message, control_buffer& buffer, ip_family family, const outgoing& out) noexcept
{
    const bool v4 = family == ip_family::ipv4;
    if (out.segment != 0)
        put_control(message, buffer, SOL_UDP, UDP_SEGMENT, out.segment);
    if (out.ttl)
        put_control(message, buffer, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, int{*out.ttl});
    if (out.tos)
        put_control(message, buffer, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, int{*out.tos});
    if (out.between == nullptr || out.between->from.is_unspecified())
        return;
    if (v4) {
        in_pktinfo info{};
        info.ipi_spec_dst.s_addr = htonl(out.between->from.v4_value());
        put_control(message, buffer, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, out.between->from.octets().data(), sizeof info.ipi6_addr);
        put_control(message, buffer, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
}

template <class T>
T value_of(const cmsghdr& c) noexcept
{
    T value;
    std::memcpy(&value, CMSG_DATA(&c), sizeof value);
    return value;
}

void take_controls(msghdr& message, incoming& in) noexcept
{
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            in.segment = static_cast<std::size_t>(std::max(value_of<int>(*c), 0));
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            const auto info = value_of<in_pktinfo>(*c);
            in.destination = ip_address::v4(ntohl(info.ipi_addr.s_addr));
            in.local = ip_address::v4(ntohl(info.ipi_spec_dst.s_addr));
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            ipv6_octets octets;
            const auto info = value_of<in6_pktinfo>(*c);
            std::memcpy(octets.data(), &info.ipi6_addr, octets.size());
            in.destination = ip_address{octets};
            if (!in.destination.is_v4() && !in.destination.is_multicast())
                in.local = in.destination;
        }
    }
}

/// Where a message came from; `name` holds an address of either family.
endpoint endpoint_of(const sockaddr_in6& name) noexcept
{
    socket_address source;
    source.v6 = name;
    return source.to_endpoint();
}

[[nodiscard]] bool is_plain(const outgoing& out) noexcept
{
    return out.pieces.size() == 1 && out.segment == 0 && !out.ttl && !out.tos &&
           (out.between == nullptr || out.between->from.is_unspecified());
}

// syscalls: sendto
result<std::size_t> send_one(int fd, bytes_view datagram, const addressing* between) noexcept
{
    const socket_address to = between != nullptr ? socket_address{between->to, between->scope} : socket_address{};
    const auto* name = between != nullptr ? &to.any : nullptr;
    if (::sendto(fd, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL, name, name != nullptr ? to.length : 0) < 0)
        return last_error();
    return std::size_t{1};
}

} // namespace

// syscalls: sendmmsg
result<std::size_t> send_batch(int fd, ip_family family, std::span<const outgoing> messages) noexcept
{
    if (messages.size() == 1 && is_plain(messages.front())) // nothing to prepare for the kernel, and for it nothing to read
        return send_one(fd, messages.front().pieces.front(), messages.front().between);
    std::array<mmsghdr, most_messages> headers;
    std::array<iovec, most_messages> vectors;
    std::array<control_buffer, most_messages> controls;
    std::array<sockaddr_in6, most_messages> names;
    std::size_t used = 0, count = 0;
    for (const auto& out : messages.first(std::min(messages.size(), headers.size()))) {
        if (used + out.pieces.size() > vectors.size())
            break;
        auto& message = headers[count].msg_hdr;
        message = {};
        message.msg_iov = &vectors[used];
        message.msg_iovlen = out.pieces.size();
        for (const auto piece : out.pieces)
            vectors[used++] = {const_cast<octet*>(piece.data()), piece.size()};
        if (out.between != nullptr) {
            const socket_address name{out.between->to, out.between->scope};
            std::memcpy(&names[count], &name.any, name.length);
            message.msg_name = &names[count];
            message.msg_namelen = name.length;
        }
        put_controls(message, controls[count], family, out);
        ++count;
    }
    const int n = ::sendmmsg(fd, headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return last_error();
    return static_cast<std::size_t>(n);
}

// syscalls: recvmmsg
result<std::size_t> receive_batch(int fd, std::span<const bytes_span> buffers, std::span<incoming> into,
                                  want_addresses addresses) noexcept
{
    std::array<mmsghdr, most_received> headers;
    std::array<iovec, most_received> vectors;
    std::array<control_buffer, most_received> controls;
    std::array<sockaddr_in6, most_received> names;
    const auto count = std::min({buffers.size(), into.size(), headers.size()});
    for (std::size_t i = 0; i < count; ++i) {
        vectors[i] = {buffers[i].data(), buffers[i].size()};
        auto& message = headers[i].msg_hdr;
        message = {};
        message.msg_iov = &vectors[i];
        message.msg_iovlen = 1;
        message.msg_control = controls[i].octets.data();
        message.msg_controllen = controls[i].octets.size();
        if (addresses == want_addresses::yes) {
            message.msg_name = &names[i];
            message.msg_namelen = sizeof names[i];
        }
    }
    const int n = ::recvmmsg(fd, headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
    if (n < 0)
        return last_error();
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        into[i] = {};
        into[i].length = headers[i].msg_len;
        into[i].truncated = (headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
        if (addresses == want_addresses::yes)
            into[i].source = endpoint_of(names[i]);
        take_controls(headers[i].msg_hdr, into[i]);
    }
    return static_cast<std::size_t>(n);
}

} // namespace tapioca::os
