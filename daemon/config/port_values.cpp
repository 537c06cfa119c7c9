// Ports: -t -u -T -U.
#include "daemon/config/option_values.hpp"
#include "daemon/config/port_list.hpp"

namespace tapioca::values {
namespace {

using kind = port_list::kind;

std::string option_and_value(char letter, std::string_view text) { return std::string{'-', letter, ' '}.append(text); }

/// What all four share; true if there are ranges to add.
bool is_list_of_ports(draft& d, const port_list& list, char letter, std::string_view text)
{
    switch (list.what) {
    case kind::ports:
        return true;
    case kind::none:
        break;
    case kind::unsupported:
        d.refused.push_back(option_and_value(letter, text));
        break;
    case kind::port_zero:
        refuse("Forwarding rule attempts to map from port 0");
    case kind::invalid:
        refuse("Invalid port specifier '", std::string{text} + '\'');
    }
    return false;
}

void inbound(draft& d, char letter, std::string_view protocol, std::string_view text, std::vector<port_range>& rules)
{
    if (text == "auto" && d.opts.mode != mode::pasta)
        refuse("'auto' port forwarding is only allowed for pasta");
    const port_list list = parse_port_list(text);
    if (list.what == kind::none && !rules.empty())
        refuse(option_and_value(letter, text) + " conflicts with previous options");
    if (!is_list_of_ports(d, list, letter, text))
        return;
    const std::vector<port_range> earlier = rules;
    for (const port_range& added : list.ranges) {
        for (const port_range& rule : earlier)
            if (added.first <= rule.last && rule.first <= added.last)
                refuse("Forwarding configuration conflict: " + to_text(protocol, added) + " versus " + to_text(protocol, rule));
        rules.push_back(added);
    }
}

void outbound(draft& d, char letter, std::string_view text)
{
    if (text.find('/') != std::string_view::npos)
        refuse("Listening address not allowed for " + option_and_value(letter, text));
    if (is_list_of_ports(d, parse_port_list(text), letter, text))
        d.refused.push_back(option_and_value(letter, text));
}

} // namespace

void tcp_ports(draft& d, std::string_view text) { inbound(d, 't', "TCP", text, d.opts.tcp_ports); }

void udp_ports(draft& d, std::string_view text) { inbound(d, 'u', "UDP", text, d.opts.udp_ports); }

void tcp_ns(draft& d, std::string_view text) { outbound(d, 'T', text); }

void udp_ns(draft& d, std::string_view text) { outbound(d, 'U', text); }

} // namespace tapioca::values
