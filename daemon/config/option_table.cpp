#include "daemon/config/option_table.hpp"

#include "daemon/config/limit_values.hpp"
#include "daemon/config/option_values.hpp"

namespace tapioca {
namespace {

using enum audience;
using enum option_group;
using enum support;

/// An option whose whole meaning is one value in one field.
template <auto Member, auto Value>
void set(parsed_options& d, std::string_view)
{
    d.opts.*Member = Value;
}

/// An option whose value is kept as it is written.
template <auto Member>
void keep(parsed_options& d, std::string_view text)
{
    d.opts.*Member = std::string{text};
}

/// A forwarding option: its rules are made when all options are known.
template <char Letter>
void forward(parsed_options& d, std::string_view text)
{
    d.port_options.push_back({Letter, std::string{text}});
}

// clang-format off
constexpr option_entry table[] = {
    // name, letter, value, who, group, state, meaning, help
    {"debug", 'd', "", everybody, reports, built, values::debug, "Tell what happens on stderr; cancels --quiet"},
    {"trace", 0, "", everybody, reports, built, values::trace, "Like --debug, with a line for each packet"},
    {"stats", 0, "DELAY", everybody, reports, built, values::stats, "Show what woke us how often on stderr, at most every DELAY seconds, 0 for never; needs --foreground"},
    {"quiet", 'q', "", everybody, reports, built, values::quiet, "Tell only warnings and errors; cancels --debug and --trace"},
    {"foreground", 'f', "", everybody, reports, built, set<&options::foreground, true>, "Stay in the foreground; implied by a command to run"},
    {"stderr", 'e', "", everybody, reports, built, values::stderr_, "No effect, accepted for old callers"},
    {"log-file", 'l', "PATH", everybody, reports, built, keep<&options::log_file>, "Log to PATH, created anew, instead of the system log"},
    {"log-size", 0, "BYTES", everybody, reports, built, values::log_size, "Largest size of the log file, at least 40960 (default: 1048576)"},
    {"runas", 0, "UID|UID:GID|LOGIN|LOGIN:GROUP", everybody, reports, built, values::runas, "Whose rights to keep (default: nobody if started as root, else the caller's)"},
    {"chroot-fallback", 0, "", everybody, reports, built, set<&options::chroot_fallback, true>, "Where pivot_root fails, as on an initial ramdisk, hide the filesystem by chroot"},
    {"conf-path", 'c', "PATH", everybody, reports, built, values::conf_path, "Listen at PATH for changes of the forwarding rules"},
    {"control", 0, "auto|PATH|none", everybody, reports, built, values::control, "Where tapioca sees what goes on: an abstract socket of the same user's, or also a socket at PATH, where it may end flows and change rules too (default: auto)"},
    {"pcap", 'p', "FILE", everybody, reports, built, values::pcap, "Capture the guest's traffic into FILE"},
    {"audit-log", 0, "FILE|-", everybody, reports, built, keep<&options::audit_log>, "Append a line of JSON to FILE, or to standard output, for each flow that begins, ends or is refused"},
    {"audit-required", 0, "", everybody, reports, built, set<&options::audit_required, true>, "What --audit-log cannot record is not let through"},
    {"pid", 'P', "FILE", everybody, reports, built, keep<&options::pid_file>, "Write our process id to FILE"},
    {"fd", 'F', "NUMBER", everybody, reports, built, values::fd, "The guest is behind the connected stream socket NUMBER, inherited from the parent process; implies --one-off"},
    {"take-over", 0, "PATH", everybody, reports, built, values::take_over, "Go on in the place of the running instance whose socket of --control is PATH"},
    {"exit-fd", 0, "NUMBER", everybody, reports, built, values::exit_fd, "End when the other end of descriptor NUMBER closes, a pipe or socket inherited from the parent process"},
    {"drain-timeout", 0, "SECONDS", everybody, reports, built, values::drain_timeout, "When we end, deliver what the guest has sent for SECONDS at most, 0 to 3600, then reset what is not complete (default: 5)"},
    {"workers", 0, "NUMBER", everybody, reports, built, values::workers, "Share the traffic among NUMBER threads, 1 to 64 (default: 1)"},

    {"mtu", 'm', "MTU", everybody, guest, built, values::mtu, "MTU of the guest, 0 to announce none (default: 65520)"},
    {"address", 'a', "ADDR[/LENGTH]", everybody, guest, built, values::address, "Address of the guest, once for each of IPv4 and IPv6 (default: the host's)"},
    {"netmask", 'n', "MASK", everybody, guest, built, values::netmask, "IPv4 netmask, dotted or as 0 to 32 (default: the host's, or by the class of --address)"},
    {"mac-addr", 'M', "MAC", everybody, guest, built, values::mac_addr, "Our own MAC address (default: 9a:55:9a:55:9a:55)"},
    {"gateway", 'g', "ADDR", everybody, guest, built, values::gateway, "Default gateway of the guest, once for each of IPv4 and IPv6 (default: the host's)"},
    {"interface", 'i', "NAME", everybody, guest, built, keep<&options::interface>, "Interface whose addresses and routes the guest gets (default: that of the default route)"},
    {"outbound", 'o', "ADDR", everybody, guest, built, values::outbound, "Source address on the host, once for each of IPv4 and IPv6 (default: the kernel's choice)"},
    {"outbound-if4", 0, "NAME", everybody, guest, built, values::outbound_if4, "Interface that IPv4 connections leave by"},
    {"outbound-if6", 0, "NAME", everybody, guest, built, values::outbound_if6, "Interface that IPv6 connections leave by"},
    {"follow", 0, "host|guest|none", everybody, guest, built, values::follow, "When the host's network changes, what the guest has stays and leads to where the host is now; guest: the guest is told and has what the host has; none: what was true at the start stays (default: host)"},
    {"ipv4-only", '4', "", everybody, guest, built, values::ipv4_only, "No IPv6"},
    {"ipv6-only", '6', "", everybody, guest, built, values::ipv6_only, "No IPv4"},

    {"dns", 'D', "ADDR|none", everybody, names, built, values::dns, "Resolver to announce, up to three for each of IPv4 and IPv6 (default: those of /etc/resolv.conf)"},
    {"search", 'S', "LIST|none", everybody, names, built, values::search, "Search domains to announce, separated by blanks, up to six (default: those of /etc/resolv.conf)"},
    {"dns-forward", 0, "ADDR", everybody, names, built, values::dns_forward, "Queries of the guest to ADDR go to --dns-host"},
    {"dns-host", 0, "ADDR", everybody, names, built, values::dns_host, "Where these queries go (default: the resolvers of /etc/resolv.conf, in order)"},
    {"hostname", 'H', "NAME", everybody, names, built, values::hostname, "Host name of the guest, announced by DHCP and set for a command that we start"},
    {"fqdn", 0, "NAME", everybody, names, built, values::fqdn, "Fully qualified name of the guest, announced by DHCP and DHCPv6"},

    {"no-tcp", 0, "", everybody, protocols, built, set<&options::tcp, false>, "No TCP; implies -t none -T none"},
    {"no-udp", 0, "", everybody, protocols, built, set<&options::udp, false>, "No UDP; implies -u none -U none"},
    {"no-icmp", 0, "", everybody, protocols, built, values::no_icmp, "No echo requests; implies --no-ndp"},
    {"no-dhcp", 0, "", everybody, protocols, built, set<&options::dhcp, false>, "No DHCP server"},
    {"no-dhcpv6", 0, "", everybody, protocols, built, set<&options::dhcpv6, false>, "No DHCPv6 server"},
    {"no-ndp", 0, "", everybody, protocols, built, set<&options::ndp, false>, "No answers to neighbour and router solicitations"},
    {"no-ra", 0, "", everybody, protocols, built, set<&options::ra, false>, "No router advertisements"},

    {"map-host-loopback", 0, "ADDR|none", everybody, translation, built, values::map_host_loopback, "ADDR means the host's loopback, once for each of IPv4 and IPv6 (default: the gateway's address)"},
    {"no-map-gw", 0, "", everybody, translation, built, set<&options::map_gw, false>, "The gateway's address does not mean the host's loopback"},
    {"map-guest-addr", 0, "ADDR|none", everybody, translation, built, values::map_guest_addr, "ADDR means the host's own address where the guest has the same (default: none)"},
    {"freebind", 0, "", everybody, translation, built, set<&options::freebind, true>, "Sockets may be bound to addresses that the host does not have"},

    {"tcp-ports", 't', "SPEC", everybody, ports, built, forward<'t'>, "TCP ports of the host that lead to the guest: none, all, auto, or a list of PORT[-PORT][:[ADDR/]PORT[-PORT]] and exceptions ~PORT[-PORT], behind [ADDR][%INTERFACE]/ for less than all addresses (default: auto; passt: none)"},
    {"udp-ports", 'u', "SPEC", everybody, ports, built, forward<'u'>, "UDP ports of the host that lead to the guest, likewise (default: auto; passt: none)"},

    {"max-flows", 0, "NUMBER", everybody, limits, built, values::limit<&flow_limits::flows>, "At most so many connections, UDP flows and echo identifiers at a time; 0, as for all limits: as many as descriptors allow (default: 0)"},
    {"max-tcp-flows", 0, "NUMBER", everybody, limits, built, values::limit<&flow_limits::tcp>, "At most so many TCP connections over the guest's interface (default: 0)"},
    {"max-udp-flows", 0, "NUMBER", everybody, limits, built, values::limit<&flow_limits::udp>, "At most so many UDP flows over the guest's interface (default: 0)"},
    {"max-echo-flows", 0, "NUMBER", everybody, limits, built, values::limit<&flow_limits::echo>, "At most so many echo identifiers (default: 0)"},
    {"max-spliced-flows", 0, "NUMBER", everybody, limits, built, values::limit<&flow_limits::spliced>, "At most so many TCP connections and UDP flows between the loopbacks (default: 0)"},
    {"max-new-flows", 0, "NUMBER", everybody, limits, built, values::limit<&flow_limits::new_flows>, "At most so many new flows of all kinds a second (default: 0)"},
    {"max-reassembly", 0, "BYTES", everybody, limits, built, values::limit<&flow_limits::reassembly>, "At most so much memory for the guest's fragments, but room for one datagram a thread; 0: 64 datagrams a thread (default: 0)"},

    {"egress", 0, "PROFILE|NAME|FILE", everybody, egress, built, values::egress, "Where the guest may connect: open, no-metadata, no-lan, internet-only or deny-all, or the policy in FILE, or in NAME.toml in /etc/tapioca/egress.d or ~/.config/tapioca/egress; several are joined (default: open)"},
    {"egress-lock", 0, "", everybody, egress, built, set<&options::egress_lock, true>, "The policy is only exchanged for a narrower one"},

    {"socket", 's', "PATH", passt_or_vhost_user, passt_only, built, values::socket_path, "Listen for the guest's network at PATH (default: the first free /tmp/passt_N.socket)"},
    {"socket-path", 's', "PATH", passt_or_vhost_user, passt_only, built, values::socket_path, "Same as --socket"},
    {"vhost-user", 0, "", everybody, reports, built, values::vhost_user, "Share memory with the guest by vhost-user"},
    {"print-capabilities", 0, "", everybody, information, built, values::print_capabilities, "Print what a vhost-user back-end can do, as JSON"},
    {"repair-path", 0, "PATH|none", everybody, passt_only, built, values::repair_path, "Where passt-repair connects when the guest migrates, by vhost-user (default: the path of --socket and .repair)"},
    {"migrate-exit", 0, "", vhost_user, passt_only, built, set<&options::migrate_exit, true>, "Exit when the guest has migrated"},
    {"migrate-no-linger", 0, "", vhost_user, passt_only, built, set<&options::migrate_no_linger, true>, "Close the sockets of connections when the guest has migrated"},
    {"one-off", '1', "", passt, passt_only, built, set<&options::one_off, true>, "Exit when the guest disconnects"},
    {"no-dhcp-dns", 0, "", passt, passt_only, built, set<&options::announce_dns, false>, "Do not announce resolvers"},
    {"no-dhcp-search", 0, "", passt, passt_only, built, set<&options::announce_search, false>, "Do not announce search domains"},

    {"ns-ifname", 'I', "NAME", pasta, pasta_only, built, values::ns_ifname, "Name of the interface in the namespace (default: as on the host, or tap0)"},
    {"tcp-ns", 'T', "SPEC", pasta, pasta_only, built, forward<'T'>, "TCP ports of the namespace's loopback that lead to the host's, written like those of --tcp-ports without address (default: auto)"},
    {"udp-ns", 'U', "SPEC", pasta, pasta_only, built, forward<'U'>, "UDP ports of the namespace's loopback that lead to the host's, likewise (default: auto)"},
    {"host-lo-to-ns-lo", 0, "", pasta, pasta_only, built, set<&options::host_loopback_to_namespace, true>, "Connections to the host's loopback go to the namespace's loopback"},
    {"userns", 0, "PATH", pasta, pasta_only, built, values::userns, "User namespace to join (default: that of PID)"},
    {"netns", 0, "PATH|NAME", pasta, pasta_only, built, values::netns, "Network namespace to connect; NAME means /run/netns/NAME"},
    {"netns-only", 0, "", pasta, pasta_only, built, values::netns_only, "Join or create no user namespace; implied by --netns without --userns"},
    {"no-netns-quit", 0, "", pasta, pasta_only, built, set<&options::netns_quit, false>, "Stay when the network namespace is gone"},
    {"no-pidns", 0, "", pasta, pasta_only, built, set<&options::pid_namespace, false>, "The command keeps our PID namespace"},
    {"config-net", 0, "", pasta, pasta_only, built, set<&options::config_net, true>, "Configure the interface in the namespace: addresses, routes, MTU, up"},
    {"no-copy-routes", 0, "", pasta, pasta_only, built, values::no_copy_routes, "With --config-net: the default route alone (deprecated)"},
    {"no-copy-addrs", 0, "", pasta, pasta_only, built, values::no_copy_addrs, "With --config-net: a single address of each family (deprecated)"},
    {"ns-mac-addr", 0, "MAC", pasta, pasta_only, built, values::ns_mac_addr, "MAC address of the interface in the namespace (default: the kernel's choice)"},
    {"dhcp-dns", 0, "", pasta, pasta_only, built, set<&options::announce_dns, true>, "Announce resolvers"},
    {"dhcp-search", 0, "", pasta, pasta_only, built, set<&options::announce_search, true>, "Announce search domains"},
    {"no-splice", 0, "", everybody, pasta_only, built, set<&options::splice, false>, "No short cut between the two loopbacks for inbound connections"},
    {"splice-only", 0, "", pasta, pasta_only, built, set<&options::splice_only, true>, "No interface: only the short cut between the loopbacks"},

    {"help", 'h', "", everybody, information, built, values::help, "Show this and exit"},
    {"version", 0, "", everybody, information, built, values::version, "Show the version and exit"},
};
// clang-format on

} // namespace

std::span<const option_entry> option_table() noexcept { return table; }

} // namespace tapioca
