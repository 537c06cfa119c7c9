// What each option with a value or with side effects does to the parsed_options. Options that only set a field are written out in
// the table.
#pragma once

#include "daemon/config/parsed_options.hpp"

#include <string_view>

namespace tapioca::values {

void debug(parsed_options&, std::string_view);
void trace(parsed_options&, std::string_view);
void stats(parsed_options&, std::string_view);
void quiet(parsed_options&, std::string_view);
void stderr_(parsed_options&, std::string_view);
void log_size(parsed_options&, std::string_view);
void runas(parsed_options&, std::string_view);
void pcap(parsed_options&, std::string_view);
void drain_timeout(parsed_options&, std::string_view);
void workers(parsed_options&, std::string_view);

void mtu(parsed_options&, std::string_view);
void address(parsed_options&, std::string_view);
void netmask(parsed_options&, std::string_view);
void mac_addr(parsed_options&, std::string_view);
void gateway(parsed_options&, std::string_view);
void outbound(parsed_options&, std::string_view);
void outbound_if4(parsed_options&, std::string_view);
void outbound_if6(parsed_options&, std::string_view);
void follow(parsed_options&, std::string_view);
void ipv4_only(parsed_options&, std::string_view);
void ipv6_only(parsed_options&, std::string_view);

void dns(parsed_options&, std::string_view);
void search(parsed_options&, std::string_view);
void dns_forward(parsed_options&, std::string_view);
void dns_host(parsed_options&, std::string_view);
void hostname(parsed_options&, std::string_view);
void fqdn(parsed_options&, std::string_view);

void no_icmp(parsed_options&, std::string_view);
void map_host_loopback(parsed_options&, std::string_view);
void map_guest_addr(parsed_options&, std::string_view);

void ns_ifname(parsed_options&, std::string_view);
void ns_mac_addr(parsed_options&, std::string_view);
void userns(parsed_options&, std::string_view);
void netns(parsed_options&, std::string_view);
void netns_only(parsed_options&, std::string_view);
void no_copy_routes(parsed_options&, std::string_view);
void no_copy_addrs(parsed_options&, std::string_view);

void egress(parsed_options&, std::string_view);
void fd(parsed_options&, std::string_view);
void take_over(parsed_options&, std::string_view);
void exit_fd(parsed_options&, std::string_view);
void socket_path(parsed_options&, std::string_view);
void repair_path(parsed_options&, std::string_view);
void help(parsed_options&, std::string_view);
void version(parsed_options&, std::string_view);
void conf_path(parsed_options& d, std::string_view text);
void control(parsed_options& d, std::string_view text);
void vhost_user(parsed_options& d, std::string_view);
void print_capabilities(parsed_options&, std::string_view);

} // namespace tapioca::values
