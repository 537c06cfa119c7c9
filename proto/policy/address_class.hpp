// The classes of destinations that an egress policy speaks of by name: what an address is, wherever the guest has it from.
#pragma once

#include "proto/base/address.hpp"

#include <optional>
#include <vector>

namespace tapioca {

/// A destination may be of several, or of none: then it is public.
enum class address_class : std::uint8_t {
    metadata, ///< where clouds tell a machine its secrets
    lan,  ///< private, shared, unique local, link-local and group addresses, and networks of the host beside its default route
    host, ///< the host itself
    count_
};

class class_set {
public:
    constexpr class_set() noexcept = default;
    constexpr class_set(std::initializer_list<address_class> classes) noexcept
    {
        for (const auto c : classes)
            add(c);
    }
    constexpr void add(address_class c) noexcept { bits_ |= bit(c); }
    [[nodiscard]] constexpr bool has(address_class c) const noexcept { return (bits_ & bit(c)) != 0; }
    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
    [[nodiscard]] constexpr bool meets(class_set other) const noexcept { return (bits_ & other.bits_) != 0; }
    constexpr class_set& operator|=(class_set other) noexcept
    {
        bits_ |= other.bits_;
        return *this;
    }
    constexpr bool operator==(const class_set&) const = default;

private:
    static constexpr std::uint8_t bit(address_class c) noexcept
    {
        return static_cast<std::uint8_t>(1U << static_cast<unsigned>(c));
    }
    std::uint8_t bits_ = 0;
};

/// What is the host's own, beside loopback, and what it reaches without its default routes.
struct host_places {
    std::vector<ip_address> own;       ///< addresses of all its interfaces
    std::vector<prefix> reachable;     ///< destinations of its other routes
    std::vector<ip_address> resolvers; ///< that it asks for names itself

    [[nodiscard]] bool is_own(const ip_address& a) const noexcept;
    [[nodiscard]] bool asks(const ip_address& resolver) const noexcept;
    [[nodiscard]] bool reaches(const ip_address& a) const noexcept;
    bool operator==(const host_places&) const = default;
};

/// The IPv4 address inside an IPv6 one to which a translator or relay takes the packet: NAT64 (RFC 6052 and RFC 8215) and 6to4
/// (RFC 3056); and the deprecated IPv4-compatible form (RFC 4291 section 2.5.5.1). A mapped one is an ip_address of IPv4 already.
[[nodiscard]] std::optional<ip_address> carried_address(const ip_address& a) noexcept;

/// The classes of an address, and of the one that it carries.
[[nodiscard]] class_set classes_of(const host_places& host, const ip_address& a) noexcept;

} // namespace tapioca
