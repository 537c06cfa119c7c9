// What the host's network gives to a guest.
#include "daemon/client/tapioca_diagnosis.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/resolv_conf.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>

namespace tapioca::client {
namespace {

/// /proc/net/route: interface, destination, gateway, flags, three numbers, mask.
bool has_default4(const std::string& table)
{
    std::istringstream lines{table};
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words{line};
        std::string interface, destination, skipped, mask;
        words >> interface >> destination;
        for (int i = 0; i < 5; ++i)
            words >> skipped;
        words >> mask;
        if (destination == "00000000" && mask == "00000000" && interface != "lo")
            return true;
    }
    return false;
}

/// /proc/net/ipv6_route: destination, its prefix length, source and its, next hop, three numbers, flags, interface.
bool has_default6(const std::string& table)
{
    std::istringstream lines{table};
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words{line};
        std::string destination, length, word, interface;
        words >> destination >> length;
        while (words >> word)
            interface = word;
        if (destination == std::string(32, '0') && length == "00" && interface != "lo")
            return true;
    }
    return false;
}

finding fault(std::string what, std::string remedy) { return {grade::fault, "resolver", std::move(what), std::move(remedy)}; }

const std::string resolver_remedy = "Write a line `nameserver ADDRESS` into /etc/resolv.conf, or name one: --dns ADDRESS";

finding judge_resolvers(const std::vector<ip_address>& resolvers)
{
    if (resolvers.empty())
        return fault("/etc/resolv.conf names no resolver: guests are told of none", resolver_remedy);
    if (!std::ranges::all_of(resolvers, &ip_address::is_loopback))
        return {grade::good, "resolver", "/etc/resolv.conf names resolvers that guests can reach", ""};
    const auto first = to_text(resolvers.front());
    const std::string who = first == "127.0.0.53" || first == "127.0.0.54" ? "systemd-resolved, at " + first : "one at " + first;
    return {
        grade::hint, "resolver",
        "The only resolver is on the host's loopback (" + who +
            "), which a guest cannot reach: its queries go by the address of its gateway, or by that of --dns-forward; with "
            "--no-map-gw alone it has no resolver",
        "Nothing, as long as names are found. Else --dns-forward 169.254.1.1, as Podman does, or --dns with an address out of "
        "/run/systemd/resolve/resolv.conf"};
}

} // namespace

void check_ping(const machine& m, findings& out)
{
    const auto at = m.sysctls.find("net.ipv4.ping_group_range");
    std::uint64_t first = 1, last = 0;
    if (at != m.sysctls.end())
        std::istringstream{at->second} >> first >> last;
    const auto within = [&](gid_t group) { return group >= first && group <= last; };
    if (within(m.group) || std::ranges::any_of(m.groups, within)) {
        out.push_back({grade::good, "ping", "Guests can ping", ""});
        return;
    }
    out.push_back({grade::fault, "ping",
                   "Guests can ping nobody but the host itself: net.ipv4.ping_group_range" +
                       (at == m.sysctls.end() ? std::string{" is not there"} : " (" + at->second + ") has none of your groups"),
                   "As root: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\", and the same in a file below /etc/sysctl.d"});
}

void check_low_ports(const machine& m, findings& out)
{
    const auto at = m.sysctls.find("net.ipv4.ip_unprivileged_port_start");
    unsigned first = 1024;
    if (at != m.sysctls.end())
        (void)std::from_chars(at->second.data(), at->second.data() + at->second.size(), first);
    if (m.user == 0 || first <= 80)
        out.push_back(
            {grade::good, "low-ports",
             "Ports below 1024 can be forwarded" + std::string{m.user == 0 ? "" : " from " + std::to_string(first) + " on"}, ""});
    else
        out.push_back({grade::hint, "low-ports", "Ports below " + std::to_string(first) + " cannot be forwarded from the host",
                       "Forward a higher one, such as -t 8080:80; or as root: sysctl -w net.ipv4.ip_unprivileged_port_start=80"});
}

void check_resolver(const machine& m, findings& out)
{
    const auto& file = m.resolv_conf;
    const std::string name = "/etc/resolv.conf";
    if (file.error == ENOENT && !file.link_target.empty())
        out.push_back(fault(name + " is a link to " + file.link_target + ", which is not there: guests are told of no resolver",
                            "Start the service that writes that file, or put a file in the link's place"));
    else if (file.error == ENOENT)
        out.push_back(fault(name + " is not there: guests are told of no resolver", resolver_remedy));
    else if (file.error != 0)
        out.push_back(fault(name + " can't be read: " + words_of_error(file.error), "As root: chmod 644 " + name));
    else
        out.push_back(judge_resolvers(parse_resolv_conf(file.content).resolvers));
}

void check_host_network(const machine& m, findings& out)
{
    const auto outside = [](bool v4) {
        return [v4](const ip_address& a) { return a.is_v4() == v4 && !a.is_loopback() && !a.is_link_local(); };
    };
    const bool address4 = std::ranges::any_of(m.addresses, outside(true)),
               address6 = std::ranges::any_of(m.addresses, outside(false));
    const bool route4 = has_default4(m.routes4), route6 = has_default6(m.routes6);
    if (!address4 && !address6)
        out.push_back({grade::fault, "host-network",
                       "The host has no address but those of its loopback and its links: guests reach nothing else",
                       "Connect the host, or in a network namespace give it an interface with an address"});
    else if (!route4 && !route6)
        out.push_back({grade::fault, "host-network",
                       "The host has no default route: guests reach its own networks at most, and "
                       "pasta and passt may find no interface to be like",
                       "Connect the host (ip route add default via ADDRESS), or name one: --interface NAME"});
    else
        out.push_back(
            {grade::good, "host-network",
             std::string{"Default routes: "} + (route4 ? "IPv4" : "") + (route4 && route6 ? ", " : "") + (route6 ? "IPv6" : ""),
             ""});
    const auto disabled = m.sysctls.find("net.ipv6.conf.all.disable_ipv6");
    if (!m.has_ipv6 || (disabled != m.sysctls.end() && disabled->second == "1"))
        out.push_back({grade::hint, "ipv6", "The host has no IPv6: guests have none either",
                       m.has_ipv6 ? "If they are to have it, as root: sysctl -w net.ipv6.conf.all.disable_ipv6=0"
                                  : "If they are to have it: boot without ipv6.disable=1"});
}

} // namespace tapioca::client
