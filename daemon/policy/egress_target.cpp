#include "daemon/policy/egress_target.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/number_text.hpp"
#include "daemon/policy/domain_name.hpp"
#include "daemon/policy/policy_words.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <optional>

namespace tapioca {
namespace {

constexpr std::string_view protocol_words[] = {"", "tcp", "udp", "echo"};

template <class T>
const target_fault* fault_in(const target_or_fault<T>& value)
{
    return std::get_if<target_fault>(&value);
}

target_or_fault<egress_ports> parse_range(std::string_view text)
{
    constexpr auto digits = "0123456789-";
    const auto dash = std::min(text.find('-'), text.size());
    const auto first = parse_number(text.substr(0, dash));
    const auto last = dash == text.size() ? first : parse_number(text.substr(dash + 1));
    const std::string shown{text};
    if (text.empty())
        return target_fault{"a port is missing", "write a number, or leave out the colon for all ports"};
    if (text.find_first_not_of(digits) != text.npos || !first || !last)
        return target_fault{"\"" + shown + "\" is no port", "ports are numbers, as 443 or 8000-8100"};
    if (*first == 0)
        return target_fault{"port 0 is nobody's", "ports are 1 to 65535; without one all are meant"};
    if (*last > 65535)
        return target_fault{"port " + std::to_string(*last) + " does not exist", "ports are 1 to 65535"};
    if (*first > *last)
        return target_fault{"the range " + shown + " ends before it begins", "write the smaller port first"};
    return egress_ports{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

target_or_fault<egress_host> parse_class(std::string_view word)
{
    if (const auto found = class_of(word))
        return *found;
    return target_fault{"there is no class @" + std::string{word}, "the classes are @metadata, @lan and @host"};
}

/// The rest of a text is cut where the host ends.
target_or_fault<egress_host> take_bracketed(std::string_view& rest)
{
    const auto end = rest.find(']');
    if (end == rest.npos)
        return target_fault{"there is no ] behind [", "IPv6 is written as [2001:db8::1]:443"};
    const auto address = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    std::string_view length;
    if (rest.starts_with('/') && rest.size() > 1 && rest[1] >= '0' && rest[1] <= '9') {
        length = rest.substr(0, std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
        rest.remove_prefix(length.size());
    }
    if (address.find(':') == address.npos)
        return target_fault{"there is no IPv6 address between [ and ]", "brackets are for IPv6 alone"};
    return parse_network(std::string{address}.append(length));
}

/// IPv6 without brackets: only with a length can nobody take its end for a port.
target_or_fault<egress_host> take_bare_v6(std::string_view& rest)
{
    const auto slash = rest.find('/');
    const auto address = rest.substr(0, slash);
    if (slash == rest.npos || rest.find_first_of("0123456789", slash) != slash + 1)
        return target_fault{"an IPv6 address has to stand in brackets, or its end may be a port",
                            "write [" + std::string{address} + "] for all ports, or [...]:PORT"};
    const auto end = std::min(rest.find_first_not_of("0123456789", slash + 1), rest.size());
    const auto network = rest.substr(0, end);
    rest.remove_prefix(end);
    return parse_network(network);
}

target_or_fault<egress_host> take_host(std::string_view& rest, name_libraries use)
{
    if (rest.starts_with('['))
        return take_bracketed(rest);
    if (std::ranges::count(rest, ':') > 1)
        return take_bare_v6(rest);
    auto end = std::min(rest.find_first_of(":/"), rest.size());
    const bool has_length = end + 1 < rest.size() && rest[end] == '/' && rest[end + 1] >= '0' && rest[end + 1] <= '9';
    if (has_length)
        end = std::min(rest.find_first_not_of("0123456789", end + 1), rest.size());
    const auto host = rest.substr(0, end);
    rest.remove_prefix(end);
    if (host.starts_with('@'))
        return parse_class(host.substr(1));
    return has_length || parse_ip(host) ? parse_network(host) : parse_name_pattern(host, use);
}

} // namespace

target_or_fault<egress_host> parse_name_pattern(std::string_view text, name_libraries use)
{
    if (text == "*")
        return target_fault{"* alone is no name",
                            "every address is 0.0.0.0/0 and [::]/0, and the profile is for what no rule names"};
    const bool below = text.starts_with("*.");
    auto name = parse_domain_name(below ? text.substr(2) : text, use);
    if (auto* fault = std::get_if<name_fault>(&name))
        return target_fault{std::move(fault->what), std::move(fault->cure)};
    return name_pattern{std::get<std::string>(std::move(name)), below};
}

target_or_fault<egress_host> parse_network(std::string_view text)
{
    if (text.starts_with('@'))
        return parse_class(text.substr(1));
    if (text.starts_with('[')) {
        auto rest = text;
        auto taken = take_bracketed(rest);
        return rest.empty() || fault_in(taken) != nullptr ? taken
                                                          : target_fault{"it is no address", "as 192.0.2.1 or [2001:db8::]/32"};
    }
    const auto network = parse_prefix(text);
    if (!network) {
        const bool mapped = text.starts_with("::ffff:") || text.starts_with("::FFFF:");
        return target_fault{"it is no address and no network",
                            mapped ? "write what is mapped as IPv4" : "as 192.0.2.1, 10.0.0.0/8 or [2001:db8::]/32"};
    }
    if (network->network() != network->address)
        return target_fault{"the address has bits behind the network's " + std::to_string(network->length),
                            "write " + to_text(prefix{network->network(), network->length})};
    return *network;
}

target_or_fault<std::vector<egress_ports>> parse_ports(std::string_view text)
{
    std::vector<egress_ports> ranges;
    for (bool more = true; more;) {
        const auto comma = std::min(text.find(','), text.size());
        auto range = parse_range(text.substr(0, comma));
        if (const auto* fault = fault_in(range))
            return *fault;
        ranges.push_back(std::get<egress_ports>(range));
        more = comma < text.size();
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return merged_ports(std::move(ranges));
}

std::vector<egress_ports> merged_ports(std::vector<egress_ports> ranges)
{
    std::ranges::sort(ranges, {}, &egress_ports::first);
    std::vector<egress_ports> all;
    for (const auto& r : ranges)
        if (!all.empty() && r.first <= all.back().last + 1)
            all.back().last = std::max(all.back().last, r.last);
        else
            all.push_back(r);
    return all;
}

target_or_fault<egress_protocol> parse_protocol(std::string_view word)
{
    const auto* const found = std::ranges::find(protocol_words, word);
    if (found == std::end(protocol_words) || word.empty())
        return target_fault{"there is no protocol \"" + std::string{word} + '"',
                            word == "icmp" || word == "icmpv6" ? "pings are echo" : "protocols are tcp, udp and echo"};
    return static_cast<egress_protocol>(found - std::begin(protocol_words));
}

target_or_fault<egress_target> parse_target(std::string_view text, name_libraries use)
{
    if (text.find("://") != text.npos)
        return target_fault{"a rule has a host and ports, and no URL", "write HOST:PORT, as example.com:443"};
    if (text.find_first_of(" \t\r\n") != text.npos)
        return target_fault{"there is a blank in it", "one host stands in a rule"};
    egress_target target;
    auto rest = text;
    auto host = take_host(rest, use);
    if (const auto* fault = fault_in(host))
        return *fault;
    target.host = std::get<egress_host>(std::move(host));
    if (rest.starts_with(':')) {
        const auto end = std::min(rest.find('/'), rest.size());
        auto ports = parse_ports(rest.substr(1, end - 1));
        if (const auto* fault = fault_in(ports))
            return *fault;
        target.ports = std::get<std::vector<egress_ports>>(std::move(ports));
        rest.remove_prefix(end);
    }
    if (rest.starts_with('/')) {
        auto protocol = parse_protocol(rest.substr(1));
        if (const auto* fault = fault_in(protocol))
            return *fault;
        target.protocol = std::get<egress_protocol>(protocol);
        rest = {};
    }
    if (!rest.empty())
        return target_fault{"\"" + std::string{rest} + "\" stands behind the host",
                            "write HOST:PORT/PROTOCOL, as 192.0.2.1:53/udp"};
    return target;
}

std::string to_text(const egress_target& target)
{
    std::string text;
    if (const auto* name = std::get_if<name_pattern>(&target.host)) {
        text = (name->below ? "*." : "") + name->name;
    } else if (const auto* network = std::get_if<prefix>(&target.host)) {
        const bool v4 = network->address.is_v4();
        text = v4 ? to_text(network->address) : '[' + to_text(network->address) + ']';
        if (network->length != (v4 ? 32 : 128))
            text += '/' + std::to_string(network->length);
    } else {
        text = word_of(std::get<address_class>(target.host));
    }
    for (std::size_t i = 0; i < target.ports.size(); ++i) {
        const auto& [first, last] = target.ports[i];
        text += (i == 0 ? ':' : ',') + std::to_string(first);
        if (last != first)
            text += '-' + std::to_string(last);
    }
    if (target.protocol != egress_protocol::any)
        text.append("/").append(protocol_words[static_cast<std::size_t>(target.protocol)]);
    return text;
}

std::vector<egress_service> services_of(const egress_target& target)
{
    if (target.protocol == egress_protocol::echo) {
        const auto* network = std::get_if<prefix>(&target.host);
        std::vector<egress_service> services;
        if (network == nullptr || network->address.is_v4())
            services.push_back({wire::protocol_icmp, {}});
        // An IPv6 address may carry one of IPv4, so that rules for those meet its packets, too.
        services.push_back({wire::protocol_icmpv6, {}});
        return services;
    }
    const octet protocol = target.protocol == egress_protocol::tcp   ? wire::protocol_tcp
                           : target.protocol == egress_protocol::udp ? wire::protocol_udp
                                                                     : octet{0};
    std::vector<egress_service> services;
    for (const auto& range : target.ports)
        services.push_back({protocol, range});
    if (services.empty())
        services.push_back({protocol, {}});
    return services;
}

} // namespace tapioca
