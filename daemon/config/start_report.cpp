#include "daemon/config/start_report.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/port_refusal.hpp"

namespace tapioca {

namespace {

using lines = std::vector<std::string>;

std::string interface_line(const std::string& title, const std::string& v4, const std::string& v6)
{
    std::string text = title;
    if (!v4.empty())
        text += v4 + " (IPv4)";
    if (!v6.empty())
        text += (v4.empty() ? "" : ", ") + v6 + " (IPv6)";
    return text;
}

void add_address(lines& report, const char* title, const ip_address& address)
{
    if (!address.is_unspecified())
        report.push_back(title + to_text(address));
}

/// One text a line, indented, below a title; nothing at all if there are none.
template <class Items, class Text>
void add_list(lines& report, const char* title, const Items& items, Text text)
{
    if (items.empty())
        return;
    report.emplace_back(title);
    for (const auto& item : items)
        report.push_back("    " + std::string{text(item)});
}

void report_ipv4(lines& report, const guest_network& guest, const address_map& addresses)
{
    const auto mask = prefix{ip_address::v4(0xffffffffU), guest.address4.length}.network();
    add_address(report, "NAT to host 127.0.0.1: ", addresses.map_host_loopback4);
    if (guest.dhcp) {
        report.emplace_back("DHCP:");
        report.push_back("    assign: " + to_text(guest.address4.address));
        report.push_back("    mask: " + to_text(mask));
        report.push_back("    router: " + to_text(guest.gateway4));
    }
    add_list(report, "DNS:", guest.resolvers4, [](const ip_address& a) { return to_text(a); });
}

void report_ipv6(lines& report, const guest_network& guest, const address_map& addresses, const ip_address& router)
{
    add_address(report, "NAT to host ::1: ", addresses.map_host_loopback6);
    if (guest.ndp || guest.dhcpv6) {
        report.emplace_back("NDP/DHCPv6:");
        add_address(report, "    assign: ", guest.address6);
        add_address(report, "    router: ", router);
        add_address(report, "    our link-local: ", guest.our_link_local);
    }
    add_list(report, "DNS:", guest.resolvers6, [](const ip_address& a) { return to_text(a); });
}

/// The title stands also above nothing: that nothing is forwarded is worth a line.
void report_rules(lines& report, const char* title, const forward_rules& rules)
{
    report.emplace_back(title);
    for (const forward_rule& rule : rules)
        report.push_back("    " + to_text(rule));
}

} // namespace

std::vector<std::string> start_report(const options& opts, const host_network& host, const guest_network& guest,
                                      const address_map& addresses, const std::string& tap_name)
{
    lines report;
    if (!host.v4.interface.empty() || !host.v6.interface.empty())
        report.push_back(interface_line("Template interface: ", host.v4.interface, host.v6.interface));
    if (opts.outbound_if4 || opts.outbound_if6)
        report.push_back(interface_line("Outbound interface: ", opts.outbound_if4.value_or(""), opts.outbound_if6.value_or("")));
    if (opts.outbound4 || opts.outbound6)
        report.push_back(interface_line("Outbound address: ", opts.outbound4 ? to_text(*opts.outbound4) : "",
                                        opts.outbound6 ? to_text(*opts.outbound6) : ""));
    if (opts.mode == mode::pasta)
        report.push_back("Namespace interface: " + tap_name);
    report.emplace_back("MAC:");
    report.push_back("    host: " + to_text(guest.our_mac));
    if (guest.ipv4)
        report_ipv4(report, guest, addresses);
    if (guest.ipv6)
        report_ipv6(report, guest, addresses, opts.gateway6.value_or(host.v6.gateway));
    add_list(report, "DNS search list:", guest.search, [](const domain_name& name) { return name.view(); });
    return report;
}

std::vector<std::string> rule_report(const options& opts)
{
    lines report;
    report_rules(report, "Inbound forwarding rules (HOST):", opts.host_rules);
    if (opts.mode == mode::pasta)
        report_rules(report, "Outbound forwarding rules (SPLICE):", opts.guest_rules);
    return report;
}

std::vector<std::string> socket_report(const std::string& path, bool vhost_user)
{
    if (vhost_user)
        return {"UNIX domain socket bound at " + path, "Start QEMU with shared memory, as in:",
                "    -object memory-backend-memfd,id=m,size=RAM,share=on -numa node,memdev=m",
                "    -chardev socket,id=c,path=" + path + " -netdev vhost-user,id=v,chardev=c -device virtio-net-pci,netdev=v"};
    return {"UNIX domain socket bound at " + path, "Start QEMU 7.2 or newer with:",
            "    -device virtio-net-pci,netdev=s -netdev stream,id=s,server=off,addr.type=unix,addr.path=" + path,
            "or an older one as:", "    qrap 5 qemu-system-ARCH ... -device virtio-net-pci,netdev=s -netdev socket,id=s,fd=5"};
}

} // namespace tapioca
