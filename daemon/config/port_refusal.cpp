#include "daemon/config/port_refusal.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/port_advice.hpp"
#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca {
namespace {

std::string family_name(bool v4) { return v4 ? "IPv4" : "IPv6"; }

} // namespace

std::string text_of(const rule_refusal& refusal, rule_writer shown)
{
    const forward_rule& rule = refusal.rule;
    const bool v4 = rule.stack == listen_stack::ipv4;
    const bool target4 = rule.target.is_v4();
    const std::string protocol = rule.protocol == wire::protocol_tcp ? "TCP" : "UDP";
    switch (refusal.why) {
    case rule_fault::protocol_disabled:
        return "Can't add " + protocol + " forwarding rule, " + protocol + " not enabled";
    case rule_fault::family_disabled:
        return family_name(v4) + " forward, but " + family_name(v4) + " not enabled";
    case rule_fault::from_port_zero:
        return "Forwarding rule attempts to map from port 0";
    case rule_fault::to_port_zero:
        return "Forwarding rule attempts to map to port 0";
    case rule_fault::dual_stack_target:
        return "Dual stack forward to " + family_name(target4) + " address " + to_text(rule.target) +
               " unsupported\nDid you mean " + (target4 ? "0.0.0.0" : "[::]") + "/... instead?";
    case rule_fault::other_family_target:
        return "Forward from " + family_name(v4) + " (" + to_text(rule.address) + ") to " + family_name(target4) + " (" +
               to_text(rule.target) + ") unsupported";
    case rule_fault::multicast_target:
        return "Multicast target address " + to_text(rule.target) + " for forwarding rule";
    case rule_fault::conflict:
        return "Forwarding configuration conflict: " + shown(rule) + " versus " + shown(refusal.other);
    case rule_fault::too_many_rules:
        return "Too many rules (maximum " + std::to_string(forward_rules::capacity()) + ")";
    case rule_fault::too_many_sockets:
        return "Rules require too many listening sockets (maximum " + std::to_string(most_listening_sockets) + ")";
    }
    return {};
}

std::string text_of(const spec_refusal& refusal, char letter, std::string_view spec, rule_writer shown)
{
    const std::string part{refusal.part};
    const auto option = std::string{'-', letter, ' '}.append(spec);
    switch (refusal.why) {
    case spec_fault::syntax:
        return "Invalid port specifier '" + part + "'; " + port_advice(letter, spec, part);
    case spec_fault::interface_name:
        return "Invalid interface name: " + part + "; 1 to 15 characters are needed, without slash, colon and blank";
    case spec_fault::auto_refused:
        return "'auto' port forwarding is only allowed for pasta; name the ports, or say all";
    case spec_fault::address_refused:
        return "Listening address not allowed for " + option + "; the namespace is listened to on its loopback alone";
    case spec_fault::none_after_rules:
        return option + " conflicts with previous options; it must stand before them, or not at all";
    case spec_fault::device_binding:
        return "Device binding for '" + option + "' unsupported (requires kernel 5.7+)";
    case spec_fault::rule:
        return text_of(refusal.rule, shown) + "\nUnable to add rule " + shown(refusal.rule.rule);
    }
    return {};
}

std::string to_text(const forward_rule& rule) { return std::string{text_of(rule).view()}; }

} // namespace tapioca
