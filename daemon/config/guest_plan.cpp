#include "daemon/config/guest_plan.hpp"

#include "daemon/config/address_text.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tapioca {

namespace {

constexpr std::size_t longest_hostname = 64; ///< HOST_NAME_MAX of sethostname(2)

/// Where our packets come from when no gateway lends its address (RFC 3927, RFC 4291 section 2.5.6).
constexpr ip_address fallback4 = ip_address::v4(169, 254, 2, 2);
constexpr ip_address fallback6 = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});

/// The mask of an address given without one: its class (RFC 791 section 3.2).
constexpr std::uint8_t class_length(const ip_address& address)
{
    const octet first = address.v4_octets()[0];
    return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}
static_assert(class_length(ip_address::v4(10, 0, 0, 1)) == 8 && class_length(ip_address::v4(224, 0, 0, 1)) == 32);

prefix guest_prefix4(const options& opts, const host_network& host)
{
    prefix chosen = host.v4.address;
    if (opts.address4)
        chosen = {*opts.address4, class_length(*opts.address4)};
    if (opts.prefix_length4)
        chosen.length = *opts.prefix_length4;
    return chosen;
}

ip_address guest_link_local(const options& opts, const host_network& host)
{
    const auto gateway = guest_gateway(opts, host, ip_family::ipv6);
    if (gateway.is_link_local())
        return gateway;
    return host.v6.link_local.is_unspecified() ? fallback6 : host.v6.link_local;
}

/// The address under which the guest reaches the host's loopback.
ip_address loopback_map(const options& opts, const host_network& host, ip_family family)
{
    const auto& given = family == ip_family::ipv4 ? opts.map_host_loopback4 : opts.map_host_loopback6;
    if (given)
        return *given;
    return opts.map_gw ? guest_gateway(opts, host, family) : ip_address{};
}

struct resolver_plan {
    std::vector<ip_address> announced;
    name_service names;
};

/// A resolver on the host's loopback, or one whose address means the loopback to the guest, is reached by forwarding; it is
/// announced as the address that is forwarded, or not at all if no address is left for that.
resolver_plan plan_resolvers(const options& opts, const host_network& host, ip_family family, without_resolvers then)
{
    const bool v4 = family == ip_family::ipv4;
    const auto loopback = loopback_map(opts, host, family);
    resolver_plan plan;
    ip_address forward = (v4 ? opts.dns_forward4 : opts.dns_forward6).value_or(ip_address{});
    for (ip_address resolver : opts.dns ? *opts.dns : host.resolvers) {
        if (resolver.family() != family)
            continue;
        if (!opts.dns && (resolver.is_loopback() || resolver == loopback)) {
            if (forward.is_unspecified())
                forward = loopback;
            resolver = forward;
        }
        if (!resolver.is_unspecified() &&
            std::find(plan.announced.begin(), plan.announced.end(), resolver) == plan.announced.end())
            plan.announced.push_back(resolver);
    }
    const auto resolvers = resolvers_of(opts, host, family);
    if (!forward.is_unspecified() && (!resolvers.empty() || then == without_resolvers::queries_fail)) {
        plan.names.forwarded.push_back(forward);
        plan.names.resolvers = resolvers;
    }
    return plan;
}

/// As many as fit; what is too long or too much is left out.
void announce_names(const options& opts, const host_network& host, guest_network& guest)
{
    if (opts.announce_search)
        for (const auto& domain : opts.search ? *opts.search : host.search)
            if (domain_name name; name.assign(domain))
                guest.search.push_back(name);
    guest.hostname.assign(opts.hostname ? *opts.hostname : opts.mode == mode::pasta ? default_hostname(host.name) : "");
    guest.fqdn.assign(opts.fqdn.value_or(""));
}

} // namespace

resolver_list resolvers_of(const options& opts, const host_network& host, ip_family family)
{
    resolver_list all;
    if (const auto& given = family == ip_family::ipv4 ? opts.dns_host4 : opts.dns_host6) {
        all.push_back(*given);
        return all;
    }
    for (const auto& resolver : host.resolvers)
        if (resolver.family() == family && std::find(all.begin(), all.end(), resolver) == all.end())
            (void)all.push_back(resolver);
    return all;
}

ip_address guest_gateway(const options& opts, const host_network& host, ip_family family)
{
    if (family == ip_family::ipv4)
        return opts.gateway4.value_or(host.v4.gateway);
    return opts.gateway6.value_or(host.v6.gateway);
}

std::string default_hostname(const std::string& host_name) { return ("pasta-" + host_name).substr(0, longest_hostname); }

guest_network plan_guest(const options& opts, const host_network& host, std::uint32_t duid_time)
{
    guest_network guest;
    guest.our_mac = opts.our_mac;
    guest.mtu = opts.mtu;
    guest.duid_time = duid_time;
    guest.may_change = opts.follow == follow_mode::guest;
    const bool announces_routers = !opts.config_net; // a namespace that we configure ourselves needs no second word

    guest.ipv4 = host.v4.enabled;
    if (guest.ipv4) {
        guest.address4 = guest_prefix4(opts, host);
        guest.gateway4 = guest_gateway(opts, host, ip_family::ipv4);
        guest.our_address4 = guest.gateway4.is_unspecified() ? fallback4 : guest.gateway4;
        guest.dhcp = opts.dhcp && !guest.gateway4.is_unspecified() && !guest.address4.address.is_unspecified();
    }
    guest.ipv6 = host.v6.enabled;
    if (guest.ipv6) {
        guest.address6 = opts.address6.value_or(host.v6.address.address);
        guest.our_link_local = guest_link_local(opts, host);
        guest.ndp = opts.ndp && opts.icmp;
        guest.ra = guest.ndp && opts.ra && announces_routers;
        guest.dhcpv6 = opts.dhcpv6 && !guest.address6.is_unspecified();
    }
    if (opts.announce_dns && guest.ipv4)
        for (const auto& resolver : plan_resolvers(opts, host, ip_family::ipv4, {}).announced)
            guest.resolvers4.push_back(resolver);
    if (opts.announce_dns && guest.ipv6)
        for (const auto& resolver : plan_resolvers(opts, host, ip_family::ipv6, {}).announced)
            guest.resolvers6.push_back(resolver);
    announce_names(opts, host, guest);
    return guest;
}

address_map plan_translation(const options& opts, const host_network& host, without_resolvers then)
{
    address_map t;
    if (host.v4.enabled) {
        const auto gateway = guest_gateway(opts, host, ip_family::ipv4);
        t.map_host_loopback4 = loopback_map(opts, host, ip_family::ipv4);
        t.map_guest_addr4 = opts.map_guest_addr4.value_or(ip_address{});
        t.names4 = plan_resolvers(opts, host, ip_family::ipv4, then).names;
        t.guest4 = t.host4 = guest_prefix4(opts, host).address;
        t.our_tap4 = gateway.is_unspecified() ? fallback4 : gateway;
    }
    if (host.v6.enabled) {
        t.map_host_loopback6 = loopback_map(opts, host, ip_family::ipv6);
        t.map_guest_addr6 = opts.map_guest_addr6.value_or(ip_address{});
        t.names6 = plan_resolvers(opts, host, ip_family::ipv6, then).names;
        t.guest6 = t.host6 = opts.address6.value_or(host.v6.address.address);
        t.our_tap6_ll = guest_link_local(opts, host);
        t.gateway6 = guest_gateway(opts, host, ip_family::ipv6);
    }
    return t;
}

std::vector<std::string> resolver_warnings(const options& opts, const host_network& host, const guest_network& guest)
{
    std::vector<std::string> warnings;
    const bool wanted = opts.announce_dns && !opts.dns;
    const auto unread = "Couldn't read /etc/resolv.conf: " + std::generic_category().message(host.resolv_conf_error);
    if (host.resolv_conf_error != 0 && (wanted || host.resolv_conf_error != ENOENT))
        warnings.push_back(unread);
    const auto check_forward = [&](const std::optional<ip_address>& forward, const std::optional<ip_address>& target) {
        const auto fits = [&](const ip_address& resolver) { return resolver.family() == forward->family(); };
        if (forward && !target && std::ranges::none_of(host.resolvers, fits))
            warnings.push_back("--dns-forward " + to_text(*forward) + " leads nowhere: /etc/resolv.conf has no resolver of IPv" +
                               (forward->is_v4() ? "4" : "6") + ", name one by --dns-host");
    };
    if (guest.ipv4)
        check_forward(opts.dns_forward4, opts.dns_host4);
    if (guest.ipv6)
        check_forward(opts.dns_forward6, opts.dns_host6);
    if (!wanted)
        return warnings;
    if (host.resolvers.empty()) {
        warnings.emplace_back("Couldn't get any nameserver address; name one by --dns, or none");
        return warnings;
    }
    if (guest.dhcp && guest.resolvers4.empty())
        warnings.emplace_back("No IPv4 nameserver available for DHCP");
    if ((guest.ra || guest.dhcpv6) && guest.resolvers6.empty())
        warnings.emplace_back("No IPv6 nameserver available for NDP/DHCPv6");
    return warnings;
}

} // namespace tapioca
