// Addresses of links and networks. An ip_address is 16 octets in both families, IPv4 mapped into ::ffff:0:0/96 (RFC 4291
// section 2.5.5.2).
#pragma once

#include "proto/base/byte_order.hpp"
#include "proto/base/bytes.hpp"

#include <array>
#include <bit>
#include <compare>
#include <cstdint>

namespace tapioca {

struct mac_address {
    std::array<octet, 6> octets{};

    static constexpr mac_address broadcast() noexcept { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
    [[nodiscard]] constexpr bool is_multicast() const noexcept { return (octets[0] & 1) != 0; }
    [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == mac_address{}; }
    constexpr bool operator==(const mac_address&) const = default;
};
static_assert(sizeof(mac_address) == 6);

enum class ip_family : std::uint8_t { ipv4, ipv6 };

/// The octets of an address on the wire.
using ipv4_octets = std::array<octet, 4>;
using ipv6_octets = std::array<octet, 16>;

class ip_address {
public:
    /// The unspecified IPv6 address.
    constexpr ip_address() noexcept = default;
    constexpr explicit ip_address(const ipv6_octets& octets) noexcept : octets_(octets) {}
    constexpr explicit ip_address(const ipv4_octets& o) noexcept
        : octets_{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, o[0], o[1], o[2], o[3]}
    {
    }
    static constexpr ip_address v4(octet a, octet b, octet c, octet d) noexcept { return ip_address{ipv4_octets{a, b, c, d}}; }
    static constexpr ip_address v4(std::uint32_t host_order) noexcept
    {
        return v4(static_cast<octet>(host_order >> 24), static_cast<octet>(host_order >> 16), static_cast<octet>(host_order >> 8),
                  static_cast<octet>(host_order));
    }
    /// From eight groups as they are written: v6({0xfe80, 0, 0, 0, 0, 0, 0, 1}).
    static constexpr ip_address v6(const std::array<std::uint16_t, 8>& groups) noexcept
    {
        ip_address a;
        for (std::size_t i = 0; i < 8; ++i) {
            a.octets_[2 * i] = static_cast<octet>(groups[i] >> 8);
            a.octets_[2 * i + 1] = static_cast<octet>(groups[i]);
        }
        return a;
    }

    /// 127.0.0.1 or ::1.
    static constexpr ip_address loopback(ip_family family) noexcept
    {
        return family == ip_family::ipv4 ? v4(127, 0, 0, 1) : v6({0, 0, 0, 0, 0, 0, 0, 1});
    }

    [[nodiscard]] constexpr bool is_v4() const noexcept
    {
        for (std::size_t i = 0; i < 10; ++i)
            if (octets_[i] != 0)
                return false;
        return octets_[10] == 0xff && octets_[11] == 0xff;
    }
    [[nodiscard]] constexpr ip_family family() const noexcept { return is_v4() ? ip_family::ipv4 : ip_family::ipv6; }
    [[nodiscard]] constexpr const ipv6_octets& octets() const noexcept { return octets_; }
    [[nodiscard]] constexpr ipv4_octets v4_octets() const noexcept
    {
        return {octets_[12], octets_[13], octets_[14], octets_[15]};
    }
    /// The IPv4 address in host order.
    [[nodiscard]] constexpr std::uint32_t v4_value() const noexcept
    {
        return std::uint32_t{octets_[12]} << 24 | std::uint32_t{octets_[13]} << 16 | std::uint32_t{octets_[14]} << 8 |
               octets_[15];
    }

    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return *this == ip_address{} || (is_v4() && v4_value() == 0); }
    /// 127.0.0.0/8 or ::1.
    [[nodiscard]] constexpr bool is_loopback() const noexcept
    {
        return is_v4() ? octets_[12] == 127 : *this == loopback(ip_family::ipv6);
    }
    /// 224.0.0.0/4 or ff00::/8.
    [[nodiscard]] constexpr bool is_multicast() const noexcept
    {
        return is_v4() ? (octets_[12] & 0xf0) == 0xe0 : octets_[0] == 0xff;
    }
    /// 255.255.255.255.
    [[nodiscard]] constexpr bool is_limited_broadcast() const noexcept { return is_v4() && v4_value() == 0xffffffffU; }
    /// 169.254.0.0/16 or fe80::/10.
    [[nodiscard]] constexpr bool is_link_local() const noexcept
    {
        return is_v4() ? (octets_[12] == 169 && octets_[13] == 254) : (octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80);
    }
    [[nodiscard]] constexpr bool is_unicast() const noexcept
    {
        return !is_unspecified() && !is_multicast() && !is_limited_broadcast();
    }

    /// Two comparisons of words: each frame and each datagram compares addresses, and a call of memcmp costs more than they do.
    constexpr bool operator==(const ip_address& other) const noexcept { return words() == other.words(); }
    constexpr auto operator<=>(const ip_address&) const = default;

private:
    struct word_pair {
        std::uint64_t first, second;
        constexpr bool operator==(const word_pair&) const = default;
    };
    [[nodiscard]] constexpr word_pair words() const noexcept { return std::bit_cast<word_pair>(octets_); }

    ipv6_octets octets_{};
};
static_assert(sizeof(ip_address) == 16 && alignof(ip_address) == 1);

/// An address and how many of its leading bits name the network: 0 to 32 for IPv4, 0 to 128 for IPv6.
struct prefix {
    ip_address address;
    std::uint8_t length = 0;

    [[nodiscard]] constexpr bool contains(const ip_address& other) const noexcept
    {
        if (address.is_v4() != other.is_v4())
            return false;
        const unsigned bits = length + (address.is_v4() ? 96U : 0U);
        for (unsigned i = 0; i < 16; ++i) {
            const unsigned kept = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;
            const auto mask = static_cast<octet>(0xff00U >> kept);
            if (((address.octets()[i] ^ other.octets()[i]) & mask) != 0)
                return false;
        }
        return true;
    }
    /// The same network with the host bits cleared.
    [[nodiscard]] constexpr ip_address network() const noexcept
    {
        auto octets = address.octets();
        const unsigned bits = length + (address.is_v4() ? 96U : 0U);
        for (unsigned i = 0; i < 16; ++i) {
            const unsigned kept = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;
            octets[i] = static_cast<octet>(octets[i] & (0xff00U >> kept));
        }
        return ip_address{octets};
    }
    /// The directed broadcast address of an IPv4 network; only meaningful for lengths up to 30.
    [[nodiscard]] constexpr ip_address broadcast() const noexcept
    {
        return ip_address::v4(address.v4_value() | (length >= 32 ? 0 : 0xffffffffU >> length));
    }
    constexpr bool operator==(const prefix&) const = default;
};

struct endpoint {
    ip_address address;
    std::uint16_t port = 0;
    constexpr bool operator==(const endpoint&) const = default;
};

static_assert(ip_address::v4(127, 0, 0, 1).is_loopback() && ip_address::v4(169, 254, 2, 1).is_link_local());
static_assert(prefix{ip_address::v4(10, 1, 2, 3), 22}.contains(ip_address::v4(10, 1, 3, 255)));
static_assert(!prefix{ip_address::v4(10, 1, 2, 3), 22}.contains(ip_address::v4(10, 1, 4, 0)));
static_assert(prefix{ip_address::v4(10, 1, 2, 3), 22}.network() == ip_address::v4(10, 1, 0, 0));
static_assert(prefix{ip_address::v4(10, 1, 2, 3), 22}.broadcast() == ip_address::v4(10, 1, 3, 255));

} // namespace tapioca
