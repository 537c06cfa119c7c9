#include "proto/forward/port_scan.hpp"

#include "proto/wire/protocol.hpp"

namespace tapioca {
namespace {

constexpr std::size_t bits = port_set::word_bits;

const port_set& of_protocol(const bound_ports& ports, octet protocol) noexcept
{
    return protocol == wire::protocol_tcp ? ports.tcp : ports.udp;
}
port_set& of_protocol(bound_ports& ports, octet protocol) noexcept
{
    return protocol == wire::protocol_tcp ? ports.tcp : ports.udp;
}

std::uint16_t target_last(const forward_rule& rule) noexcept { return rule.target_port(rule.last); }

} // namespace

std::size_t scan_state::words_of(const forward_rule& rule) noexcept
{
    return rule.scan ? target_last(rule) / bits - rule.target_first / bits + 1 : 0;
}

std::size_t scan_state::words_for(const forward_rules& rules) noexcept
{
    std::size_t sum = 0;
    for (const auto& rule : rules)
        sum += words_of(rule);
    return sum;
}

scan_state::scan_state(rule_side side, const forward_rules& rules, std::span<scan_word> memory) noexcept
    : side_(side), rules_(rules), memory_(memory)
{
    for (auto& word : memory_)
        word = {};
}

std::uint64_t scan_state::view::wanted(const bound_ports& ports, std::size_t i) const noexcept
{
    std::uint64_t of_rule = ~std::uint64_t{0};
    if (i == 0)
        of_rule <<= rule.target_first % bits;
    if (i + 1 == words.size())
        of_rule &= ~std::uint64_t{0} >> (bits - 1 - target_last(rule) % bits);
    return of_protocol(ports, rule.protocol).word(rule.target_first / bits + i) & of_rule;
}

std::uint16_t scan_state::view::listening_port(std::size_t i, int bit) const noexcept
{
    const auto target = (rule.target_first / bits + i) * bits + static_cast<std::size_t>(bit);
    return static_cast<std::uint16_t>(target - rule.target_first + rule.first);
}

template <class Each>
void scan_state::at(const view& v, std::uint16_t port, Each each) noexcept
{
    if (port < v.rule.first || port > v.rule.last)
        return;
    const auto target = v.rule.target_port(port);
    each(v.words[target / bits - v.rule.target_first / bits], std::uint64_t{1} << (target % bits));
}

void scan_state::refused(std::size_t rule, std::uint16_t port) noexcept
{
    for_each_rule([&](const view& v) {
        if (v.index == rule)
            at(v, port, [](scan_word& word, std::uint64_t bit) {
                word.refused |= word.open & bit; // nothing, if the target has vanished meanwhile
                word.open &= ~bit;
            });
    });
}

void scan_state::retry(const bound_ports& freed) noexcept
{
    for_each_rule([&](const view& v) {
        of_protocol(freed, v.rule.protocol).for_each([&](std::uint16_t port) {
            at(v, port, [](scan_word& word, std::uint64_t bit) { word.refused &= ~bit; });
        });
    });
}

void scan_state::add_open(bound_ports& into) const noexcept
{
    for_each_rule([&](const view& v) {
        for (std::size_t i = 0; i < v.words.size(); ++i)
            for (auto left = v.words[i].open; left != 0; left &= left - 1)
                of_protocol(into, v.rule.protocol).set(v.listening_port(i, std::countr_zero(left)));
    });
}

bool scan_state::scans(octet protocol) const noexcept
{
    bool any = false;
    for_each_rule([&](const view& v) { any = any || v.rule.protocol == protocol; });
    return any;
}

port_scan::port_scan(const forward_rules& host, const forward_rules& guest, std::span<scan_word> memory) noexcept
    : host_{scan_state{rule_side::host, host, memory.first(scan_state::words_for(host))}},
      guest_{scan_state{rule_side::guest, guest, memory.subspan(scan_state::words_for(host), scan_state::words_for(guest))}}
{
}

void port_scan::add_fixed(rule_side s, octet protocol, std::uint16_t port) noexcept
{
    of_protocol((s == rule_side::host ? host_ : guest_).fixed, protocol).set(port);
}

bool port_scan::needs(rule_side s, octet protocol) const noexcept
{
    const auto& opposite = (s == rule_side::host ? guest_ : host_).state;
    return host_.state.scans(protocol) || guest_.state.scans(protocol) ||
           (protocol == wire::protocol_tcp && opposite.scans(wire::protocol_udp));
}

void port_scan::retry_freed(side& listening, const bound_ports& bound) noexcept
{
    auto freed = listening.before;
    freed.tcp -= bound.tcp;
    freed.udp -= bound.udp;
    if (!freed.tcp.empty() || !freed.udp.empty())
        listening.state.retry(freed);
    listening.before = bound;
}

void port_scan::add_ours(const side& s, bound_ports& into) noexcept
{
    into.tcp |= s.fixed.tcp;
    into.udp |= s.fixed.udp;
    s.state.add_open(into);
}

bound_ports port_scan::wanted_of(const bound_ports& bound, const bound_ports& ours) noexcept
{
    auto wanted = bound;
    wanted.tcp -= ours.tcp;
    wanted.udp |= wanted.tcp;
    wanted.udp -= ours.udp;
    return wanted;
}

} // namespace tapioca
