#include "daemon/config/guest_plan.hpp"
#include "daemon/config/start_report.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

TEST_CASE("the report names interfaces, what the guest is told, and where the host's loopback is")
{
    host_network host;
    host.v4 = {.enabled = true,
               .interface_index = 2,
               .interface = "eth0",
               .address = {ip_address::v4(192, 0, 2, 2), 22},
               .gateway = ip_address::v4(192, 0, 2, 1),
               .link_local = {}};
    host.resolvers = {ip_address::v4(192, 0, 2, 53)};
    host.search = {"example.org"};
    const options opts;
    const auto report = start_report(opts, host, plan_guest(opts, host, 0), plan_translation(opts, host), "eth0");
    CHECK(report == std::vector<std::string>{"Template interface: eth0 (IPv4)", "Namespace interface: eth0",
                                             "MAC:", "    host: 9a:55:9a:55:9a:55", "NAT to host 127.0.0.1: 192.0.2.1",
                                             "DHCP:", "    assign: 192.0.2.2", "    mask: 255.255.252.0", "    router: 192.0.2.1",
                                             "DNS:", "    192.0.2.53", "DNS search list:", "    example.org"});
}

TEST_CASE("the rules stand below their side, and a passt has one side")
{
    options opts;
    opts.host_rules.push_back({.protocol = 6, .first = 8080, .last = 8081, .target_first = 80});
    CHECK(rule_report(opts) == std::vector<std::string>{"Inbound forwarding rules (HOST):", "    TCP [*]:8080-8081  =>  80-81",
                                                        "Outbound forwarding rules (SPLICE):"});
    opts.mode = mode::passt;
    CHECK(rule_report(opts).size() == 2);
}
