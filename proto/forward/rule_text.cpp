#include "proto/forward/rule_text.hpp"

#include "proto/wire/protocol.hpp"

namespace tapioca {
namespace {

void append_port(rule_text& text, unsigned port) noexcept
{
    std::array<char, 5> digits{};
    std::size_t at = digits.size();
    do {
        digits[--at] = static_cast<char>('0' + port % 10);
        port /= 10;
    } while (port > 0);
    text.append({digits.data() + at, digits.size() - at});
}

void append_ports(rule_text& text, std::uint16_t first, std::uint16_t last) noexcept
{
    append_port(text, first);
    if (last == first)
        return;
    text.append("-");
    append_port(text, last);
}

} // namespace

ip_text listening_address(const forward_rule& rule) noexcept
{
    if (rule.stack == listen_stack::ipv4 && rule.address.is_unspecified())
        return text_of(ip_address::v4(0));
    if (rule.stack != listen_stack::dual)
        return text_of(rule.address);
    ip_text any;
    any.append("*");
    return any;
}

rule_text text_of(const forward_rule& rule) noexcept
{
    rule_text text;
    text.append(rule.protocol == wire::protocol_tcp ? "TCP [" : "UDP [");
    text.append(listening_address(rule).view());
    text.append("]");
    if (!rule.interface.empty()) {
        text.append("%");
        text.append(rule.interface.view());
    }
    text.append(":");
    append_ports(text, rule.first, rule.last);
    text.append("  =>  ");
    if (!rule.target.is_unspecified()) {
        text.append(text_of(rule.target).view());
        text.append(":");
    }
    append_ports(text, rule.target_first, rule.target_port(rule.last));
    if (rule.best_effort)
        text.append("  (best effort)");
    if (rule.scan)
        text.append(rule.best_effort ? " (auto-scan)" : "  (auto-scan)");
    return text;
}

} // namespace tapioca
