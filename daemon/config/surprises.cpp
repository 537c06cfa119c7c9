#include "daemon/config/surprises.hpp"

namespace tapioca {
namespace {

constexpr std::size_t longest_kernel_hostname = 64; // HOST_NAME_MAX of sethostname(2)
constexpr std::uint16_t usual_mtu = 1500;           // of an interface that nobody has told another

bool looks_like_ports(std::string_view text)
{
    return text.find_first_of("0123456789") != std::string_view::npos &&
           text.find_first_not_of("0123456789:-,~/.") == std::string_view::npos && !text.starts_with('/');
}

/// Resolvers and search domains reach the guest by these alone.
std::string why_untold(const options& o, bool announced, std::string_view option)
{
    if (!announced)
        return o.mode == mode::pasta ? "without " + std::string{option} : "because of --no-" + std::string{option.substr(2)};
    return o.dhcp || o.dhcpv6 || o.ra ? "" : "as DHCP, DHCPv6 and router advertisements are off";
}

template <class List>
void warn_untold(options& o, const char* name, const List& given, bool announced, std::string_view option)
{
    const auto why = why_untold(o, announced, option);
    if (given && !given->empty() && !why.empty())
        o.warnings.push_back(name + std::string{" has no effect: nothing tells the guest "} + why);
}

} // namespace

void warn_of_surprises(parsed_options& d)
{
    options& o = d.opts;
    if (d.ipv4_only_given && d.ipv6_only_given)
        o.warnings.push_back(std::string{"-4 and -6 contradict each other, the last counts: "} +
                             (o.ipv4 ? "no IPv6" : "no IPv4"));
    if (o.pcap_file && looks_like_ports(*o.pcap_file))
        o.warnings.push_back("--pcap captures into a file named " + *o.pcap_file + ": ports are forwarded by --tcp-ports (-t)");
    if (o.mode == mode::pasta && o.target == target_kind::command && o.hostname && o.hostname->size() > longest_kernel_hostname)
        o.warnings.push_back("--hostname is cut to the 64 characters that the kernel takes: " +
                             o.hostname->substr(0, longest_kernel_hostname));
    if (o.splice_only)
        return;
    warn_untold(o, "--dns", o.dns, o.announce_dns, "--dhcp-dns");
    warn_untold(o, "--search", o.search, o.announce_search, "--dhcp-search");
    if (o.mode == mode::pasta && d.mtu_given && !o.config_net && !o.client && o.mtu != 0 && o.mtu != usual_mtu)
        o.warnings.push_back("--mtu " + std::to_string(o.mtu) +
                             " is only announced to the guest: without --config-net the interface keeps its own");
}

} // namespace tapioca
