#include "daemon/config/port_rules.hpp"

#include "daemon/config/port_refusal.hpp"
#include "daemon/os/host_facts.hpp"
#include "daemon/os/rtnetlink.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

namespace tapioca {
namespace {

constexpr bool is_tcp(char letter) { return letter == 't' || letter == 'T'; }

constexpr rule_side side_of(char letter) { return letter == 't' || letter == 'u' ? rule_side::host : rule_side::guest; }

port_spec_context context_of(const options& o, const port_facts& facts, char letter)
{
    port_spec_context context;
    context.protocol = is_tcp(letter) ? wire::protocol_tcp : wire::protocol_udp;
    context.side = side_of(letter);
    // Without IPv6 in the kernel, --ipv6-only is refused when the host is looked at.
    context.enabled = {.tcp = o.tcp, .udp = o.udp, .ipv4 = o.ipv4, .ipv6 = o.ipv6 && (facts.ipv6 || !o.ipv4)};
    context.ephemeral = facts.ephemeral;
    context.auto_allowed = o.mode == mode::pasta;
    context.device_binding = facts.device_binding;
    return context;
}

/// The interface behind the `%` of the part that says where to listen gets its own name.
std::string with_own_name(std::string spec, const port_facts& facts)
{
    const auto slash = spec.find('/'), percent = spec.find('%');
    if (slash == std::string::npos || percent > slash || !facts.interface_of)
        return spec;
    const auto first = percent + 1;
    if (const auto own = facts.interface_of(std::string_view{spec}.substr(first, slash - first)))
        spec.replace(first, slash - first, *own);
    return spec;
}

void add_option(options& o, const port_facts& facts, const port_option& asked)
{
    const port_option given{asked.letter, with_own_name(asked.text, facts)};
    const auto context = context_of(o, facts, given.letter);
    auto& rules = context.side == rule_side::host ? o.host_rules : o.guest_rules;
    const auto before = rules.size();
    if (const auto refused = add_port_spec(rules, given.text, context))
        refuse(text_of(*refused, given.letter, given.text));
    if (context.side == rule_side::guest && !facts.device_binding && rules.size() > before)
        o.warnings.push_back(std::string{'-', given.letter} + ' ' + given.text +
                             " listens on 127.0.0.1 and ::1: binding to an interface requires kernel 5.7+");
}

std::optional<std::string> own_name_of(std::string_view alternative)
{
    auto socket = os::netlink_socket::open();
    const auto links = socket ? os::read_links(*socket) : socket.error();
    const auto* const found = links ? os::find_link(*links, alternative) : nullptr;
    return found != nullptr && found->name != alternative ? std::optional{found->name} : std::nullopt;
}

} // namespace

port_facts discover_port_facts()
{
    port_facts facts;
    if (const auto range = os::ephemeral_ports())
        facts.ephemeral = {range->first, range->second};
    facts.ipv6 = os::has_ipv6();
    facts.device_binding = os::can_bind_to_interface();
    facts.interface_of = own_name_of;
    std::error_code unknown;
    facts.directory = std::filesystem::current_path(unknown).string();
    return facts;
}

void resolve_ports(parsed_options& d, const port_facts& facts)
{
    options& o = d.opts;
    for (const port_option& given : d.port_options)
        add_option(o, facts, given);
    if (o.mode != mode::pasta)
        return;
    for (const char letter : {'t', 'u', 'T', 'U'})
        if ((is_tcp(letter) ? o.tcp : o.udp) &&
            std::ranges::find(d.port_options, letter, &port_option::letter) == d.port_options.end())
            add_option(o, facts, {letter, "auto"});
}

} // namespace tapioca
