#include "daemon/config/plane_plan.hpp"

#include "daemon/os/random.hpp"
#include "daemon/os/socket.hpp"

#include <algorithm>

namespace tapioca {

namespace {

/// The host's value within reason: zero would end a flow before its answer, a day would fill the table.
duration timeout_of(std::optional<std::uint32_t> seconds, duration usual)
{
    using namespace std::chrono_literals;
    return seconds ? std::clamp<duration>(std::chrono::seconds{*seconds}, 5s, 1h) : usual;
}

/// A kernel that lacks a sysctl (they came with 2.2, 6.5 and 6.15) is taken to do as newer ones do.
tcp::retry_policy retries_of(const host_network& host)
{
    constexpr std::uint32_t most = 127, most_retries = 254;
    const tcp::retry_policy usual;
    const auto longest = std::chrono::milliseconds{std::min(host.tcp_rto_max_ms.value_or(0xffff'ffff), 120'000U)};
    return {.retries = static_cast<std::uint8_t>(std::clamp(host.tcp_retries.value_or(usual.retries), 1U, most_retries)),
            .syn_retries = static_cast<std::uint8_t>(std::clamp(host.tcp_syn_retries.value_or(usual.syn_retries), 1U, most)),
            .syn_linear_timeouts =
                static_cast<std::uint8_t>(std::min(host.tcp_syn_linear_timeouts.value_or(usual.syn_linear_timeouts), most)),
            .rto_max = std::max<duration>(longest, std::chrono::seconds{1})};
}

} // namespace

void set_network(plane_config& plane, const guest_network& guest, const address_map& translation)
{
    plane.net = guest;
    plane.net.stand_ins.clear();
    plane.address_map = translation;
    const auto& x = translation;
    for (const auto& a : {x.map_host_loopback4, x.map_host_loopback6, x.map_guest_addr4, x.map_guest_addr6})
        if (!a.is_unspecified())
            plane.net.stand_ins.push_back(a);
    for (const auto* names : {&x.names4, &x.names6})
        for (const auto& a : names->forwarded)
            plane.net.stand_ins.push_back(a);
}

plane_config plan_plane(const options& opts, const host_network& host, const guest_network& guest, const mac_address& guest_mac,
                        without_resolvers then)
{
    plane_config plane;
    set_network(plane, guest, plan_translation(opts, host, then));
    if (opts.splice_only) // no interface has the addresses
        plane.address_map.guest4 = plane.address_map.guest6 = plane.address_map.host4 = plane.address_map.host6 = {};
    plane.guest_mac = guest_mac;
    plane.address_fixed4 = opts.address4.has_value();
    plane.address_fixed6 = opts.address6.has_value();
    plane.tcp = opts.tcp;
    plane.udp = opts.udp;
    plane.icmp = opts.icmp;
    plane.outbound4 = opts.outbound4.value_or(ip_address{});
    plane.outbound6 = opts.outbound6.value_or(ip_address{});
    (void)plane.outbound_if4.assign(opts.outbound_if4.value_or("")); // an interface that exists, so the name fits
    (void)plane.outbound_if6.assign(opts.outbound_if6.value_or(""));
    plane.scope6 = static_cast<unsigned>(host.v6.interface_index);
    if (!opts.egress.empty())
        plane.places = std::make_shared<const host_places>(places_of(host));
    plane.freebind = opts.freebind;
    plane.host_rules = opts.host_rules;
    plane.guest_rules = opts.guest_rules;
    plane.splice = opts.splice && opts.mode == mode::pasta;
    plane.host_loopback_to_namespace = opts.host_loopback_to_namespace;
    plane.splice_only = opts.splice_only;
    plane.limits = opts.limits;
    plane.udp_timeout = timeout_of(host.udp_timeout, plane.udp_timeout);
    plane.udp_stream_timeout = std::max(plane.udp_timeout, timeout_of(host.udp_stream, plane.udp_stream_timeout));
    plane.retries = retries_of(host);
    plane.peek_offset4 = os::has_tcp_peek_offset(ip_family::ipv4);
    plane.peek_offset6 = os::has_tcp_peek_offset(ip_family::ipv6);
    plane.report_flows = opts.level >= log_level::debug;
    plane.trace = opts.level == log_level::trace;
    plane.audit = opts.audit();
    plane.secret = os::random_key();
    return plane;
}

} // namespace tapioca
