// Between endpoints and the kernel's socket addresses.
#pragma once

#include "proto/base/address.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

namespace tapioca::os {

/// A socket address of either family with its length, as system calls take it.
struct socket_address {
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6;
    };
    socklen_t length = sizeof(sockaddr_in6);

    socket_address() noexcept : v6{} {}
    explicit socket_address(const endpoint& e, unsigned scope = 0) noexcept : v6{}
    {
        if (e.address.is_v4()) {
            v4.sin_family = AF_INET;
            v4.sin_port = htons(e.port);
            v4.sin_addr.s_addr = htonl(e.address.v4_value());
            length = sizeof v4;
        } else {
            v6.sin6_family = AF_INET6;
            v6.sin6_port = htons(e.port);
            v6.sin6_scope_id = scope;
            std::memcpy(&v6.sin6_addr, e.address.octets().data(), 16);
        }
    }

    /// Of a dual-stack socket, mapped addresses come out as IPv4. An unknown family yields an unspecified endpoint.
    [[nodiscard]] endpoint to_endpoint() const noexcept
    {
        if (any.sa_family == AF_INET)
            return {ip_address::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
        if (any.sa_family == AF_INET6) {
            ipv6_octets octets;
            std::memcpy(octets.data(), &v6.sin6_addr, 16);
            return {ip_address{octets}, ntohs(v6.sin6_port)};
        }
        return {};
    }
};

} // namespace tapioca::os
