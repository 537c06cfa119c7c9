// What each option with a value or with side effects does to the draft. Options that only set a field are written out in the
// table.
#pragma once

#include "daemon/config/draft.hpp"

#include <string_view>

namespace tapioca::values {

void debug(draft&, std::string_view);
void trace(draft&, std::string_view);
void stats(draft&, std::string_view);
void quiet(draft&, std::string_view);
void stderr_(draft&, std::string_view);
void log_size(draft&, std::string_view);
void runas(draft&, std::string_view);
void pcap(draft&, std::string_view);
void drain_timeout(draft&, std::string_view);
void workers(draft&, std::string_view);

void mtu(draft&, std::string_view);
void address(draft&, std::string_view);
void netmask(draft&, std::string_view);
void mac_addr(draft&, std::string_view);
void gateway(draft&, std::string_view);
void outbound(draft&, std::string_view);
void outbound_if4(draft&, std::string_view);
void outbound_if6(draft&, std::string_view);
void ipv4_only(draft&, std::string_view);
void ipv6_only(draft&, std::string_view);

void dns(draft&, std::string_view);
void search(draft&, std::string_view);
void dns_forward(draft&, std::string_view);
void dns_host(draft&, std::string_view);
void hostname(draft&, std::string_view);
void fqdn(draft&, std::string_view);

void no_icmp(draft&, std::string_view);
void map_host_loopback(draft&, std::string_view);
void map_guest_addr(draft&, std::string_view);

void ns_ifname(draft&, std::string_view);
void ns_mac_addr(draft&, std::string_view);
void userns(draft&, std::string_view);
void netns(draft&, std::string_view);
void netns_only(draft&, std::string_view);
void no_copy_routes(draft&, std::string_view);
void no_copy_addrs(draft&, std::string_view);

void fd(draft&, std::string_view);
void socket_path(draft&, std::string_view);
void repair_path(draft&, std::string_view);
void help(draft&, std::string_view);
void version(draft&, std::string_view);
void print_capabilities(draft&, std::string_view);

} // namespace tapioca::values
