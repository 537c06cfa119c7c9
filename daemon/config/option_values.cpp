#include "daemon/config/option_values.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/number_text.hpp"
#include "daemon/config/run_as.hpp"
#include "daemon/config/usage.hpp"
#include "daemon/os/unix_address.hpp"

#include <climits>
#include <variant>

namespace tapioca::values {
namespace {

constexpr std::uint64_t least_log_size = 40960; ///< below it, cutting the oldest third would leave no room for a page and a line
constexpr std::uint64_t greatest_mtu = 65521;   ///< a frame of 65535 octets less the Ethernet header
constexpr unsigned most_workers = 64;
constexpr std::uint64_t longest_drain_timeout = 3600;
constexpr std::uint64_t longest_statistics_delay = 86400;
constexpr std::uint64_t first_inherited = 3; ///< descriptor that is not standard input, output or error

/// Stores `address` in the field of its family.
void by_family(std::optional<ip_address>& v4, std::optional<ip_address>& v6, const ip_address& address)
{
    (address.is_v4() ? v4 : v6) = address;
}

constexpr std::string_view unicast_wanted = "an IPv4 or IPv6 address of one host is needed, and none of the loopback";
constexpr std::string_view mac_wanted =
    "six pairs of hexadecimal digits are needed, as in 02:00:00:00:00:01, not all zero and not of a group";
constexpr std::string_view redundant_length = "the length is given by --netmask and behind the address";

constexpr std::size_t longest_name = 15, longest_alternative_name = 127; // IFNAMSIZ and ALTIFNAMSIZ, without the terminator

std::string interface_name(std::string_view text, std::size_t longest)
{
    // The kernel's own rule (dev_valid_name): at least one octet, not "." or "..", no slash, colon or blank.
    if (text.empty() || text.size() > longest || text == "." || text == ".." ||
        text.find_first_of("/: \t\n\v\f\r") != std::string_view::npos)
        refuse("Invalid interface name: ", text,
               "1 to " + std::to_string(longest) + " characters are needed, without slash, colon and blank");
    return std::string{text};
}

} // namespace

void debug(parsed_options& d, std::string_view)
{
    if (d.opts.level != log_level::trace)
        d.opts.level = log_level::debug;
}

void trace(parsed_options& d, std::string_view) { d.opts.level = log_level::trace; }

/// What is no number means 0: that is how it has always been taken.
void stats(parsed_options& d, std::string_view text)
{
    const auto delay = parse_number(text, longest_statistics_delay);
    if (!delay)
        d.opts.warnings.push_back("--stats " + std::string{text} + " shows nothing, a number of seconds is needed");
    d.opts.statistics_delay = std::chrono::seconds{delay.value_or(0)};
}

void quiet(parsed_options& d, std::string_view) { d.opts.level = log_level::quiet; }

void stderr_(parsed_options& d, std::string_view) { d.opts.warnings.emplace_back("--stderr will be dropped soon"); }

void log_size(parsed_options& d, std::string_view text)
{
    const auto size = parse_number(text);
    if (!size || *size < least_log_size)
        refuse("Invalid --log-size: ", text, "a number of octets is needed, at least " + std::to_string(least_log_size));
    d.opts.log_size = static_cast<std::size_t>(*size);
}

void runas(parsed_options& d, std::string_view text)
{
    const auto who = parse_identity(text);
    if (const auto* reason = std::get_if<std::string>(&who))
        refuse("Invalid --runas option: ", text, *reason);
    d.opts.run_as = std::get<identity>(who);
}

void pcap(parsed_options& d, std::string_view text)
{
    if (text.size() >= PATH_MAX)
        refuse("Invalid pcap path", {},
               "it has " + std::to_string(text.size()) + " characters, " + std::to_string(PATH_MAX - 1) + " are the most");
    d.opts.pcap_file = text;
}

void drain_timeout(parsed_options& d, std::string_view text)
{
    const auto seconds = parse_number(text, longest_drain_timeout);
    if (!seconds)
        refuse("Invalid --drain-timeout, a number of seconds from 0 to 3600 is needed: ", text);
    d.opts.drain_timeout = std::chrono::seconds{*seconds};
}

void workers(parsed_options& d, std::string_view text)
{
    const auto count = parse_number(text, most_workers);
    if (!count || *count == 0)
        refuse("Invalid --workers, a number from 1 to 64 is needed: ", text);
    d.opts.workers = static_cast<unsigned>(*count);
}

void mtu(parsed_options& d, std::string_view text)
{
    const auto value = parse_number(text);
    if (!value)
        refuse("Invalid MTU: ", text, "a number from 0 to " + std::to_string(greatest_mtu) + " is needed");
    if (*value > greatest_mtu)
        refuse("MTU ", std::to_string(*value) + " too large (max " + std::to_string(greatest_mtu) + ")");
    d.mtu_given = true;
    d.opts.mtu = static_cast<std::uint16_t>(*value);
}

void address(parsed_options& d, std::string_view text)
{
    const auto slash = text.find('/');
    const auto value = parse_ip(text.substr(0, slash));
    if (!value || !value->is_unicast() || value->is_loopback() || text.ends_with('/'))
        refuse("Invalid guest address: ", text, unicast_wanted);
    std::optional<std::uint64_t> length;
    if (slash != std::string_view::npos) {
        length = parse_number(text.substr(slash + 1), value->is_v4() ? 32 : 128);
        if (!length)
            refuse("Invalid prefix length: ", text, value->is_v4() ? "IPv4 has 0 to 32" : "IPv6 has 0 to 128");
    }
    by_family(d.opts.address4, d.opts.address6, *value);
    if (!value->is_v4())
        return; // the guest's IPv6 prefix is 64 bits long, whatever was written
    if (length && d.netmask_length4)
        refuse("Redundant prefix length specification", {}, redundant_length);
    d.cidr_length4 = length ? std::optional{static_cast<std::uint8_t>(*length)} : std::nullopt;
}

void netmask(parsed_options& d, std::string_view text)
{
    d.netmask_length4 = parse_prefix_length4(text);
    if (!d.netmask_length4)
        refuse("Invalid prefix length: ", text, "0 to 32 is needed, or a mask of ones before zeros, as 255.255.255.0");
    if (d.cidr_length4)
        refuse("Redundant prefix length specification", {}, redundant_length);
}

void mac_addr(parsed_options& d, std::string_view text)
{
    const auto mac = parse_mac(text);
    if (!mac || mac->is_multicast() || mac->is_zero())
        refuse("Invalid MAC address: ", text, mac_wanted);
    d.opts.our_mac = *mac;
}

void gateway(parsed_options& d, std::string_view text)
{
    const auto value = parse_ip(text);
    if (!value || !value->is_unicast() || value->is_loopback())
        refuse("Invalid gateway address: ", text, unicast_wanted);
    by_family(d.opts.gateway4, d.opts.gateway6, *value);
}

void outbound(parsed_options& d, std::string_view text)
{
    const auto value = parse_ip(text);
    const bool usable = value && value->is_unicast() && (value->is_v4() || !value->is_loopback());
    if (!usable)
        refuse("Invalid or redundant outbound address: ", text, "an address of one host is needed, in IPv6 not the loopback");
    by_family(d.opts.outbound4, d.opts.outbound6, *value);
}

void outbound_if4(parsed_options& d, std::string_view text)
{
    d.opts.outbound_if4 = interface_name(text, longest_alternative_name);
}

void outbound_if6(parsed_options& d, std::string_view text)
{
    d.opts.outbound_if6 = interface_name(text, longest_alternative_name);
}

void follow(parsed_options& d, std::string_view text)
{
    if (text != "host" && text != "guest" && text != "none")
        refuse("Invalid --follow, host, guest or none is needed: ", text);
    d.opts.follow = text == "host" ? follow_mode::host : text == "guest" ? follow_mode::guest : follow_mode::none;
}

void ipv4_only(parsed_options& d, std::string_view)
{
    d.ipv4_only_given = true;
    d.opts.ipv4 = true;
    d.opts.ipv6 = false;
}

void ipv6_only(parsed_options& d, std::string_view)
{
    d.ipv6_only_given = true;
    d.opts.ipv4 = false;
    d.opts.ipv6 = true;
}

void no_icmp(parsed_options& d, std::string_view)
{
    d.opts.icmp = false;
    d.opts.ndp = false;
}

void map_host_loopback(parsed_options& d, std::string_view text)
{
    if (text == "none") {
        d.opts.map_gw = false;
        d.opts.map_host_loopback4.reset();
        d.opts.map_host_loopback6.reset();
        return;
    }
    const auto value = parse_ip(text);
    if (!value || !value->is_unicast() || value->is_loopback())
        refuse("Invalid address to remap to host: ", text, unicast_wanted);
    by_family(d.opts.map_host_loopback4, d.opts.map_host_loopback6, *value);
}

void map_guest_addr(parsed_options& d, std::string_view text)
{
    if (text == "none") {
        d.opts.map_guest_addr4.reset();
        d.opts.map_guest_addr6.reset();
        return;
    }
    const auto value = parse_ip(text);
    if (!value || !value->is_unicast() || value->is_loopback())
        refuse("Invalid address to remap to host: ", text, unicast_wanted);
    by_family(d.opts.map_guest_addr4, d.opts.map_guest_addr6, *value);
}

void ns_ifname(parsed_options& d, std::string_view text) { d.opts.ns_ifname = interface_name(text, longest_name); }

void ns_mac_addr(parsed_options& d, std::string_view text)
{
    d.opts.ns_mac = parse_mac(text);
    if (!d.opts.ns_mac)
        refuse("Invalid MAC address: ", text, mac_wanted);
}

void userns(parsed_options& d, std::string_view text)
{
    d.opts.userns_path = text;
    d.opts.netns_only = false;
}

void netns(parsed_options& d, std::string_view text)
{
    d.netns = text.find('/') == std::string_view::npos ? "/run/netns/" + std::string{text} : std::string{text};
}

void netns_only(parsed_options& d, std::string_view)
{
    d.opts.netns_only = true;
    d.opts.userns_path.reset();
}

void no_copy_routes(parsed_options& d, std::string_view)
{
    d.opts.copy_routes = false;
    d.opts.warnings.emplace_back("--no-copy-routes will be dropped soon");
}

void no_copy_addrs(parsed_options& d, std::string_view)
{
    d.opts.copy_addresses = false;
    d.opts.warnings.emplace_back("--no-copy-addrs will be dropped soon");
}

void egress(parsed_options& d, std::string_view text)
{
    if (text.empty())
        refuse("Invalid --egress", {}, "a profile, the name of a policy, or the path of one is needed");
    d.opts.egress.emplace_back(text);
}

void fd(parsed_options& d, std::string_view text)
{
    const auto number = parse_number(text, INT_MAX);
    if (!number)
        refuse("Invalid --fd: ", text, "the number of an inherited descriptor is needed");
    d.opts.client = static_cast<int>(*number);
    d.opts.socket_path.reset();
}

void exit_fd(parsed_options& d, std::string_view text)
{
    const auto number = parse_number(text, INT_MAX);
    if (!number || *number < first_inherited)
        refuse("Invalid --exit-fd: ", text, "the number of an inherited descriptor is needed, none of 0, 1 and 2");
    d.opts.exit_fd = static_cast<int>(*number);
}

namespace {

std::string path_of_socket(std::string_view text)
{
    if (text.empty() || text.size() > os::longest_socket_path)
        refuse("Invalid socket path: ", text,
               "it has " + std::to_string(text.size()) + " characters, 1 to " + std::to_string(os::longest_socket_path) +
                   " are possible");
    return std::string{text};
}

} // namespace

void socket_path(parsed_options& d, std::string_view text)
{
    d.opts.socket_path = path_of_socket(text);
    d.opts.client.reset();
}

void conf_path(parsed_options& d, std::string_view text) { d.opts.conf_path = path_of_socket(text); }

void take_over(parsed_options& d, std::string_view text) { d.opts.take_over = path_of_socket(text); }

void control(parsed_options& d, std::string_view text)
{
    d.opts.shows_itself = text != "none";
    d.opts.control_path.reset();
    if (text != "none" && text != "auto")
        d.opts.control_path = path_of_socket(text);
}

void repair_path(parsed_options& d, std::string_view text)
{
    if (!d.vhost_user && text != "none")
        refuse("--repair-path is for vhost-user mode only");
    d.opts.repair = text != "none";
    d.opts.repair_path.reset();
    if (d.opts.repair)
        d.opts.repair_path = path_of_socket(text);
}

void vhost_user(parsed_options& d, std::string_view) { d.opts.vhost_user = true; }

void help(parsed_options& d, std::string_view) { throw early_exit{0, help_text(d.program, d.opts.mode == mode::pasta), true}; }

void version(parsed_options& d, std::string_view) { throw early_exit{0, version_text(d.opts.mode == mode::pasta), true}; }

void print_capabilities(parsed_options&, std::string_view) { throw early_exit{0, capabilities_text(), true}; }

} // namespace tapioca::values
