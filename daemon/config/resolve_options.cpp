#include "daemon/config/resolve_options.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/number_text.hpp"
#include "daemon/config/port_refusal.hpp"
#include "daemon/config/surprises.hpp"
#include "proto/forward/bypass.hpp"
#include "proto/vhost/features.hpp"

#include <algorithm>
#include <climits>

namespace tapioca {
namespace {

bool all_digits(std::string_view text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// A lone number is a process, anything else a command: one that is named by digits alone needs a path.
void resolve_target(parsed_options& d, std::span<const char* const> operands)
{
    options& o = d.opts;
    if (o.mode == mode::passt)
        return;
    if (d.netns) {
        if (!operands.empty())
            refuse("Both --netns and PID or command given", {}, "leave out one of --netns and " + std::string{operands[0]});
        o.target = target_kind::path;
        o.netns_path = *d.netns;
        o.netns_only = o.netns_only || !o.userns_path;
    } else if (operands.size() == 1 && all_digits(operands[0])) {
        const auto pid = parse_number(operands[0], INT_MAX);
        if (!pid || *pid == 0)
            refuse("Invalid PID ", operands[0], "a number from 1 to " + std::to_string(INT_MAX) + " is needed");
        o.target = target_kind::pid;
        o.target_pid = static_cast<pid_t>(*pid);
    } else {
        o.command.assign(operands.begin(), operands.end());
        o.foreground = true;
        if (o.level == log_level::normal)
            o.level = log_level::quiet;
    }
    if (!o.pid_namespace && o.target != target_kind::command)
        refuse("--no-pidns is incompatible with PID or --netns");
}

void resolve_addresses(parsed_options& d)
{
    options& o = d.opts;
    o.prefix_length4 = d.netmask_length4 ? d.netmask_length4 : d.cidr_length4;
    if (o.address4 && !o.prefix_length4)
        o.prefix_length4 = class_prefix_length(*o.address4);
    if (o.mtu != 0 && o.mtu < 68 && o.ipv4)
        o.warnings.push_back("MTU " + std::to_string(o.mtu) + " is too small for IPv4 (68 is the least, RFC 791)");
    if (o.mtu != 0 && o.mtu < 1280 && o.ipv6)
        o.warnings.push_back("MTU " + std::to_string(o.mtu) + " is too small for IPv6 (1280 is the least, RFC 8200)");
}

/// Without an interface only the bypass between the two loopbacks is left.
void resolve_splice_only(options& o)
{
    if (!o.splice_only)
        return;
    o.host_loopback_to_namespace = true;
    o.icmp = o.ndp = o.dhcp = o.dhcpv6 = false;
    o.dns.emplace();
    o.search.emplace();
    o.announce_dns = o.announce_search = false;
    for (auto* address : {&o.dns_forward4, &o.dns_forward6, &o.dns_host4, &o.dns_host6})
        address->reset();
}

/// One stream has one reader, and an inherited one leads to no second guest.
void resolve_stream(options& o)
{
    if (o.mode == mode::passt)
        o.splice = false;
    else if (!o.client)
        return;
    o.one_off = o.one_off || o.client;
    if (o.vhost_user && o.workers > vhost::most_pairs)
        o.warnings.emplace_back("Only " + std::to_string(vhost::most_pairs) + " workers: a guest has no more pairs of queues");
    if (o.vhost_user) {
        o.workers = std::min(o.workers, vhost::most_pairs);
        return;
    }
    if (o.workers > 1)
        o.warnings.emplace_back("--workers has no effect: a guest's socket is served by one thread");
    o.workers = 1;
}

/// What an option switches off by implication.
void resolve_protocols(parsed_options& d)
{
    options& o = d.opts;
    o.ndp = o.ndp && o.ipv6;
    o.late_ra = o.ra && o.ndp;
    o.ra = o.late_ra && !o.config_net;
    o.dhcp = o.dhcp && o.ipv4;
    o.dhcpv6 = o.dhcpv6 && o.ipv6;
}

void check_conflicts(const parsed_options& d)
{
    if (d.opts.audit_required && !d.opts.audit_log)
        refuse("--audit-required needs --audit-log");
    if (!d.opts.copy_routes && !d.opts.config_net)
        refuse("--no-copy-routes needs --config-net");
    if (!d.opts.copy_addresses && !d.opts.config_net)
        refuse("--no-copy-addrs needs --config-net");
    if (d.opts.splice_only && !d.opts.splice)
        refuse("--splice-only is incompatible with --no-splice");
    if (d.opts.splice_only && d.opts.client)
        refuse("--splice-only is incompatible with --fd");
    if (d.opts.exit_fd && d.opts.exit_fd == d.opts.client)
        refuse("--exit-fd is the same descriptor as --fd", {}, "the guest's end is ours without it");
    if (d.opts.host_loopback_to_namespace && !d.opts.splice)
        refuse("--host-lo-to-ns-lo is incompatible with --no-splice");
}

/// What cannot move to another process, or has not learned to.
void check_take_over(const options& o)
{
    if (!o.take_over)
        return;
    if (o.client)
        refuse("--take-over is incompatible with --fd");
    if (o.starts_command())
        refuse("--take-over needs PID or --netns", {}, "a command has one parent for life");
    if (o.splice_only)
        refuse("--take-over is incompatible with --splice-only");
    if (!o.egress.empty() || o.audit_log)
        refuse("--take-over is incompatible with --egress and --audit-log");
    if (o.pcap_file || o.log_file)
        refuse("--take-over is incompatible with --pcap and --log-file", {}, "those files are created anew");
}

/// A connection that comes back to where it was made would go round until descriptors end. Where the host's loopback does not
/// lead to the namespace's, it ends at the namespace's public address.
void check_circles(const options& o)
{
    if (!o.splice || !o.host_loopback_to_namespace)
        return;
    if (const auto circle = find_circle(o.host_rules, o.guest_rules))
        refuse("Forwarding rules lead from loopback to loopback in a circle: ",
               to_text(circle->there) + " and " + to_text(circle->back));
}

void check_support(const parsed_options& d)
{
    if (!d.refused.empty())
        refuse(d.refused.front(), " is not supported in this build");
}

/// Interfaces may be named by an alternative name; sockets are bound to their own, and the namespace's gets that.
void resolve_interfaces(options& o, const port_facts& facts)
{
    for (auto* name : {&o.interface, &o.outbound_if4, &o.outbound_if6})
        if (*name && facts.interface_of)
            *name = facts.interface_of(**name).value_or(**name);
}

} // namespace

void resolve_options(parsed_options& d, std::span<const char* const> operands, const port_facts& facts)
{
    if (d.opts.mode == mode::passt && !operands.empty())
        refuse("Extra non-option argument: ", operands[0], "passt takes options alone; it is pasta that runs commands");
    check_conflicts(d);
    resolve_interfaces(d.opts, facts);
    resolve_ports(d, facts);
    check_support(d);
    resolve_splice_only(d.opts);
    resolve_stream(d.opts);
    check_circles(d.opts);
    resolve_target(d, operands);
    check_take_over(d.opts);
    if (d.opts.statistics_delay.count() != 0 && !d.opts.foreground)
        refuse("Can't display statistics if not running in foreground", {}, "add --foreground");
    resolve_addresses(d);
    resolve_protocols(d);
    warn_of_surprises(d);
}

} // namespace tapioca
