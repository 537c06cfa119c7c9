#include "proto/policy/address_class.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::array metadata_services = {
    ip_address::v4(169, 254, 169, 254),                     // Amazon, Google, Azure, OpenStack and others
    ip_address::v6({0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254}), // Amazon
    ip_address::v4(100, 100, 100, 200),                     // Alibaba
    ip_address::v4(168, 63, 129, 16),                       // Azure's agent
    ip_address::v4(169, 254, 170, 2),                       // of Amazon's containers
};

constexpr std::array local_networks = {
    prefix{ip_address::v4(10, 0, 0, 0), 8}, // RFC 1918
    prefix{ip_address::v4(172, 16, 0, 0), 12},
    prefix{ip_address::v4(192, 168, 0, 0), 16},
    prefix{ip_address::v4(100, 64, 0, 0), 10},                 // shared, RFC 6598
    prefix{ip_address::v4(169, 254, 0, 0), 16},                // link-local, RFC 3927
    prefix{ip_address::v6({0xfc00, 0, 0, 0, 0, 0, 0, 0}), 7},  // unique local, RFC 4193
    prefix{ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 0}), 10}, // link-local
    prefix{ip_address::v6({0xfec0, 0, 0, 0, 0, 0, 0, 0}), 10}, // site-local, deprecated by RFC 3879
};

constexpr prefix nat64{ip_address::v6({0x64, 0xff9b, 0, 0, 0, 0, 0, 0}), 96};
constexpr prefix local_nat64{ip_address::v6({0x64, 0xff9b, 1, 0, 0, 0, 0, 0}), 48};
constexpr prefix six_to_four{ip_address::v6({0x2002, 0, 0, 0, 0, 0, 0, 0}), 16};
constexpr prefix compatible{ip_address::v6({0, 0, 0, 0, 0, 0, 0, 0}), 96};

ip_address v4_at(const ip_address& a, std::size_t at) noexcept
{
    const auto& o = a.octets();
    return ip_address::v4(o[at], o[at + 1], o[at + 2], o[at + 3]);
}

class_set own_classes_of(const host_places& host, const ip_address& a) noexcept
{
    class_set set;
    if (std::find(metadata_services.begin(), metadata_services.end(), a) != metadata_services.end())
        set.add(address_class::metadata);
    const auto holds = [&](const prefix& p) { return p.contains(a); };
    if (a.is_multicast() || a.is_limited_broadcast() || std::any_of(local_networks.begin(), local_networks.end(), holds) ||
        host.reaches(a))
        set.add(address_class::lan);
    if (a.is_loopback() || a.is_unspecified() || host.is_own(a))
        set.add(address_class::host);
    return set;
}

} // namespace

bool host_places::is_own(const ip_address& a) const noexcept { return std::find(own.begin(), own.end(), a) != own.end(); }

bool host_places::asks(const ip_address& resolver) const noexcept
{
    return std::find(resolvers.begin(), resolvers.end(), resolver) != resolvers.end();
}

bool host_places::reaches(const ip_address& a) const noexcept
{
    return std::any_of(reachable.begin(), reachable.end(), [&](const prefix& p) { return p.contains(a); });
}

std::optional<ip_address> carried_address(const ip_address& a) noexcept
{
    if (nat64.contains(a))
        return v4_at(a, 12);
    if (local_nat64.contains(a)) { // RFC 6052 section 2.2: around the octet that is zero; or its /96, whatever is in between
        const auto& o = a.octets();
        return o[12] == 0 && o[13] == 0 && o[14] == 0 && o[15] == 0 ? ip_address::v4(o[6], o[7], o[9], o[10]) : v4_at(a, 12);
    }
    if (six_to_four.contains(a))
        return v4_at(a, 2);
    if (compatible.contains(a) && !a.is_unspecified() && !a.is_loopback())
        return v4_at(a, 12);
    return std::nullopt;
}

class_set classes_of(const host_places& host, const ip_address& a) noexcept
{
    auto set = own_classes_of(host, a);
    if (const auto carried = carried_address(a))
        set |= own_classes_of(host, *carried);
    return set;
}

} // namespace tapioca
