// What the user asked for: the command line as values, before anything was read from the host. Filled by command_line, never
// changed later.
#pragma once

#include "daemon/config/flow_limits.hpp"
#include "proto/base/address.hpp"
#include "proto/forward/forward_rule.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace tapioca {

enum class mode : std::uint8_t { passt, pasta };

enum class log_level : std::uint8_t { quiet, normal, debug, trace };

struct identity {
    uid_t uid = 0;
    gid_t gid = 0;
};

/// What becomes of a guest's network when the host's changes.
enum class follow_mode : std::uint8_t {
    none, ///< what was true at the start is taken to be true
    host, ///< what the guest has stays, and leads to where the host is now
    guest ///< the guest is told, and has what the host has
};

/// Whether there is an audit log.
enum class audit_mode : std::uint8_t {
    none,
    kept,    ///< as far as that is possible
    required ///< what cannot be recorded is not let through
};

/// What pasta attaches to: exactly one alternative is set, by `target_kind`.
enum class target_kind : std::uint8_t { command, pid, path };

struct options {
    tapioca::mode mode = mode::pasta;

    // life cycle and reports
    bool foreground = false;
    log_level level = log_level::normal;
    std::optional<std::string> log_file;
    std::size_t log_size = 1048576;
    std::optional<std::string> pid_file;
    std::optional<std::string> pcap_file;
    std::optional<std::string> audit_log; ///< a path; "-": standard output
    bool audit_required = false;
    [[nodiscard]] audit_mode audit() const noexcept
    {
        return !audit_log ? audit_mode::none : audit_required ? audit_mode::required : audit_mode::kept;
    }
    std::optional<std::string> conf_path;    ///< where pesto changes the forwarding rules
    bool shows_itself = true;                ///< has an abstract socket where it can be seen
    std::optional<std::string> control_path; ///< of the socket where it can be seen and changed
    /// Forwarding rules, while the program runs.
    [[nodiscard]] bool rules_may_change() const noexcept { return conf_path || control_path; }
    std::optional<int> exit_fd;           ///< an inherited descriptor: when its other end closes, we end
    std::optional<std::string> take_over; ///< the control socket of an instance whose place we take
    std::optional<identity> run_as;
    bool chroot_fallback = false;
    unsigned workers = 1;
    std::chrono::seconds statistics_delay{}; ///< 0: no statistics
    std::chrono::seconds drain_timeout{5};   ///< at the end, for octets that were acknowledged to the guest

    // the guest's network
    bool ipv4 = true, ipv6 = true;
    std::uint16_t mtu = 65520;                    ///< 0: announce and set none
    std::optional<ip_address> address4, address6; ///< set: no addresses are copied in that family
    std::optional<std::uint8_t> prefix_length4;   ///< from -n, the CIDR form of -a, or the class of -a
    mac_address our_mac{{0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55}};
    std::optional<ip_address> gateway4, gateway6; ///< set: no routes are copied in that family
    std::optional<std::string> interface;
    std::optional<ip_address> outbound4, outbound6;
    std::optional<std::string> outbound_if4, outbound_if6;
    follow_mode follow = follow_mode::host;

    // resolvers and names
    std::optional<std::vector<ip_address>> dns;     ///< absent: from resolv.conf; empty: none
    std::optional<std::vector<std::string>> search; ///< absent: from resolv.conf; empty: none
    std::optional<ip_address> dns_forward4, dns_forward6, dns_host4, dns_host6;
    bool announce_dns = true, announce_search = true; ///< by DHCP, DHCPv6 and RA
    std::optional<std::string> hostname, fqdn;

    // protocols and servers
    bool tcp = true, udp = true, icmp = true;
    bool dhcp = true, dhcpv6 = true, ndp = true, ra = true;
    bool late_ra = true; ///< router advertisements of a network that appears after the start
    bool freebind = false;

    flow_limits limits;

    // where the guest may connect
    std::vector<std::string> egress; ///< profiles, and policies by their name or path; empty: anywhere
    bool egress_lock = false;        ///< a policy is only exchanged for a narrower one

    // address translation; an empty optional inside a set optional does not occur: `none` clears
    bool map_gw = true; ///< the gateway's address stands for the host's loopback unless map_host_loopback says otherwise
    std::optional<ip_address> map_host_loopback4, map_host_loopback6;
    std::optional<ip_address> map_guest_addr4, map_guest_addr6;

    // ports
    forward_rules host_rules, guest_rules;   ///< of -t and -u; of -T and -U
    bool splice = true;                      ///< loopback traffic goes from socket to socket, past the guest's interface
    bool host_loopback_to_namespace = false; ///< ... and reaches the namespace's loopback, not its public address
    bool splice_only = false;                ///< there is no interface

    // passt
    std::optional<std::string> socket_path; ///< where guests connect; absent: the first free automatic name, or `client`
    std::optional<int> client;              ///< an inherited descriptor of a connected guest
    bool vhost_user = false;                ///< the guest shares its memory
    std::optional<std::string> repair_path; ///< where passt-repair connects; nothing: the guest's socket with ".repair" behind it
    bool repair = true;                     ///< it may connect
    bool migrate_exit = false;              ///< the end once the guest has migrated
    bool migrate_no_linger = false;         ///< its connections are closed then
    bool one_off = false;                   ///< to end when the guest leaves

    // pasta
    tapioca::target_kind target = target_kind::command;
    pid_t target_pid = 0;
    std::string netns_path; ///< for target_kind::path; names are expanded to /run/netns/NAME
    std::optional<std::string> userns_path;
    bool netns_only = false;
    bool netns_quit = true;
    bool pid_namespace = true;
    bool config_net = false;
    bool copy_routes = true, copy_addresses = true;
    std::optional<std::string> ns_ifname;
    std::optional<mac_address> ns_mac;
    std::vector<std::string> command; ///< empty: the user's shell as a login shell

    std::vector<std::string> warnings; ///< for the log, in order

    // for another process that is to take our place
    std::vector<std::string> start_words; ///< the program, and the command line without --foreground and --take-over
    std::string start_directory;          ///< from which their paths lead

    [[nodiscard]] bool starts_command() const { return mode == mode::pasta && target == target_kind::command; }
    /// Another process may take our place.
    [[nodiscard]] bool can_hand_over() const
    {
        return control_path && !starts_command() && !splice_only && !client && egress.empty() && !audit_log;
    }
    /// Likewise with the same command line: none of it means what only our parent process had.
    [[nodiscard]] bool can_start_again() const { return can_hand_over() && !exit_fd && !start_directory.empty(); }
    [[nodiscard]] bool goes_to_background() const { return !foreground && !starts_command(); }
};

} // namespace tapioca
