// Two sides with programs that bind ports, and what a port scan makes of them: for the tests of proto/forward/port_scan.
#pragma once

#include "proto/forward/port_scan.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <set>
#include <string>
#include <vector>

namespace tapioca::test::scan {

inline constexpr octet tcp = wire::protocol_tcp, udp = wire::protocol_udp;

struct ports_of {
    octet protocol;
    std::uint16_t first, last, target_first;
    bool scan = true;
};

inline forward_rules rules_of(const std::vector<ports_of>& list)
{
    forward_rules rules;
    for (const auto& r : list) {
        forward_rule rule;
        rule.protocol = r.protocol;
        rule.scan = r.scan;
        rule.first = r.first;
        rule.last = r.last;
        rule.target_first = r.target_first;
        REQUIRE(rules.push_back(rule));
    }
    return rules;
}

/// -t auto, or the like, without exclusions.
inline ports_of all(octet protocol) { return {protocol, 1, 65535, 1}; }

/// Two sides with programs that bind ports, and the sockets that the scan opened.
struct world {
    forward_rules host_rules, guest_rules;
    std::vector<scan_word> memory;
    port_scan scan;
    bound_ports host, guest; ///< of the programs there
    std::set<std::string> open;
    std::set<std::string> privileged; ///< may not be opened
    std::vector<std::string> attempts, closed;

    world(const std::vector<ports_of>& host_list, const std::vector<ports_of>& guest_list)
        : host_rules(rules_of(host_list)), guest_rules(rules_of(guest_list)),
          memory(port_scan::words_for(host_rules, guest_rules)), scan(host_rules, guest_rules, memory)
    {
    }

    const forward_rule& rule_of(const scan_change& c) const
    {
        return (c.side == rule_side::host ? host_rules : guest_rules)[c.rule];
    }
    /// "host 0 tcp 80": a socket on port 80 of the host for its rule 0.
    std::string name(const scan_change& c) const
    {
        return std::string{c.side == rule_side::host ? "host " : "guest "} + std::to_string(c.rule) +
               (rule_of(c).protocol == tcp ? " tcp " : " udp ") + std::to_string(c.port);
    }
    /// What is bound on one side when it is read: what the programs have bound, and what the scan opened there.
    bound_ports read(rule_side side) const
    {
        auto bound = side == rule_side::host ? host : guest;
        for (const auto& text : open) {
            const auto prefix = side == rule_side::host ? std::string{"host"} : std::string{"guest"};
            const auto port = static_cast<std::uint16_t>(std::stoul(text.substr(text.rfind(' '))));
            if (text.starts_with(prefix))
                (text.find("tcp") != std::string::npos ? bound.tcp : bound.udp).set(port);
        }
        return bound;
    }
    bool in_use(const scan_change& c) const
    {
        const auto bound = read(c.side);
        return (rule_of(c).protocol == tcp ? bound.tcp : bound.udp).test(c.port);
    }
    void apply(const scan_change& c)
    {
        if (c.action == scan_action::close) {
            closed.push_back(name(c));
            CHECK(open.erase(name(c)) == 1);
            return;
        }
        attempts.push_back(name(c));
        if (in_use(c) || privileged.contains(name(c)))
            scan.refused(c);
        else
            CHECK(open.insert(name(c)).second);
    }
    /// One scan; returns what is open after it.
    std::set<std::string> tick()
    {
        attempts.clear();
        closed.clear();
        const auto host_now = read(rule_side::host), guest_now = read(rule_side::guest);
        scan.update(host_now, guest_now, [&](const scan_change& c) { apply(c); });
        return open;
    }
    /// As tick(), and nothing changes in the scans that follow.
    std::set<std::string> settle()
    {
        const auto after = tick();
        for (int i = 0; i < 4; ++i) {
            CHECK(tick() == after);
            CHECK(attempts.empty());
            CHECK(closed.empty());
        }
        return after;
    }
};

using names = std::set<std::string>;

} // namespace tapioca::test::scan
