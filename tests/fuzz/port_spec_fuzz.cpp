// Values of -t -u -T -U, one a line, that fill one table. The first octet says what there is: IPv4, IPv6, auto, binding to
// interfaces, TCP (else UDP), the host's side (else the guest's), many ephemeral ports. After each value all that must hold of
// the table is checked, and each new rule is written out as a value of its own and read back.
#include "proto/forward/port_spec.hpp"
#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/fuzz.hpp"

#include <string>

using namespace tapioca;

namespace {

port_spec_context context_of(octet flags)
{
    port_spec_context context;
    context.enabled = {.tcp = true, .udp = true, .ipv4 = (flags & 1) != 0, .ipv6 = (flags & 2) != 0 || (flags & 1) == 0};
    context.auto_allowed = (flags & 4) != 0;
    context.device_binding = (flags & 8) != 0;
    context.protocol = (flags & 16) != 0 ? wire::protocol_tcp : wire::protocol_udp;
    context.side = (flags & 32) != 0 ? rule_side::host : rule_side::guest;
    context.ephemeral = (flags & 64) != 0 ? port_range{9000, 65535} : port_range{32768, 60999};
    return context;
}

bool same(const forward_rule& a, const forward_rule& b)
{
    return a.protocol == b.protocol && a.stack == b.stack && a.address == b.address && a.interface.view() == b.interface.view() &&
           a.first == b.first && a.last == b.last && a.target_first == b.target_first && a.target == b.target;
}

std::string range(unsigned first, unsigned last) { return std::to_string(first) + '-' + std::to_string(last); }

/// The value that means this rule alone.
std::string spec_of(const forward_rule& rule)
{
    const std::string address{listening_address(rule).view()};
    std::string spec = rule.stack == listen_stack::dual ? address : '[' + address + ']';
    if (!rule.interface.empty())
        spec.append("%").append(rule.interface.view());
    spec += '/' + range(rule.first, rule.last) + ':';
    if (!rule.target.is_unspecified())
        spec += std::string{text_of(rule.target).view()} + '/';
    return spec + range(rule.target_first, rule.target_port(rule.last));
}

void check_rule(const forward_rule& rule, const port_spec_context& context, std::size_t group)
{
    const unsigned length = unsigned{rule.last} - rule.first;
    FUZZ_CHECK(rule.first >= 1 && rule.first <= rule.last);
    FUZZ_CHECK(rule.target_first >= 1 && rule.target_first + length <= 65535);
    FUZZ_CHECK(rule.protocol == context.protocol && rule.group == group);
    FUZZ_CHECK(rule.stack == listen_stack::ipv6 || context.enabled.ipv4);
    FUZZ_CHECK(rule.stack == listen_stack::ipv4 || context.enabled.ipv6);
    FUZZ_CHECK(rule.stack == listen_stack::ipv4 ? rule.address.is_v4() : !rule.address.is_v4());
    FUZZ_CHECK(rule.stack != listen_stack::dual || rule.address.is_unspecified());
    FUZZ_CHECK(!rule.scan || context.auto_allowed);
    FUZZ_CHECK(context.device_binding || rule.interface.empty());
    if (context.side == rule_side::guest)
        FUZZ_CHECK(rule.interface.view() == "lo" || rule.address.is_loopback());
    const std::string shown{text_of(rule).view()};
    FUZZ_CHECK(shown.size() < rule_text::capacity());
    forward_rules alone;
    auto anywhere = context;
    anywhere.side = rule_side::host;
    FUZZ_CHECK(!add_port_spec(alone, spec_of(rule), anywhere) && alone.size() == 1 && same(alone[0], rule));
}

void take(forward_rules& table, std::string_view spec, const port_spec_context& context)
{
    const auto before = table.size();
    const auto refused = add_port_spec(table, spec, context);
    if (refused) {
        FUZZ_CHECK(table.size() == before);
        FUZZ_CHECK(refused->part.data() >= spec.data());
        FUZZ_CHECK(refused->part.data() + refused->part.size() <= spec.data() + spec.size());
        return;
    }
    unsigned sockets = 0;
    for (std::size_t i = 0; i < table.size(); ++i) {
        sockets += table[i].port_count();
        if (i < before)
            continue;
        check_rule(table[i], context, before);
        FUZZ_CHECK(table[i].best_effort == table[before].best_effort && table[i].scan == table[before].scan);
        for (std::size_t j = 0; j < i; ++j)
            FUZZ_CHECK(!conflicting(table[i], table[j]));
    }
    FUZZ_CHECK(sockets <= most_listening_sockets);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0)
        return 0;
    const auto context = context_of(data[0]);
    std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    forward_rules table;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        take(table, line, context);
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return 0;
}
