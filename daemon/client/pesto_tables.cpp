#include "daemon/client/pesto_tables.hpp"

#include "daemon/config/early_exit.hpp"
#include "daemon/config/port_refusal.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tapioca::client {
namespace {

using pesto::pif;
using pesto::pif_list;

constexpr bool of_the_host(char letter) noexcept { return letter == 't' || letter == 'u'; }

bool has(const pif& of, std::uint32_t capability) noexcept { return (of.capabilities & capability) != 0; }

bool overlapping(const forward_rule& a, const forward_rule& b) noexcept { return a.first <= b.last && b.first <= a.last; }

const forward_rule* find_overlapping(const forward_rules& rules, const forward_rule& ports, bool same_protocol) noexcept
{
    for (const forward_rule& rule : rules)
        if (overlapping(rule, ports) && (!same_protocol || rule.protocol == ports.protocol))
            return &rule;
    return nullptr;
}

class changer {
public:
    changer(pif_list& pifs, const port_range& ephemeral) : pifs_(pifs), ephemeral_(ephemeral) {}

    table_change follow(const std::vector<pesto_step>& steps)
    {
        // Without any specifier an exchange was still asked for.
        change_.to_be_sent = !steps.empty() && std::ranges::none_of(steps, is_ports);
        for (const pesto_step& step : steps)
            take(step);
        return std::move(change_);
    }

private:
    enum class mode : std::uint8_t { replace, add, remove };

    static bool is_ports(const pesto_step& step) noexcept { return step.what == pesto_step::kind::ports; }

    [[noreturn]] void refuse(const std::string& why) { throw early_exit{1, change_.warnings + why + '\n', false}; }

    void take(const pesto_step& step)
    {
        switch (step.what) {
        case pesto_step::kind::add:
            mode_ = mode::add;
            return;
        case pesto_step::kind::remove:
            mode_ = mode::remove;
            return;
        case pesto_step::kind::clear:
            return clear(step.text);
        case pesto_step::kind::ports:
            return ports(step);
        }
    }

    pif* find(std::string_view name) noexcept
    {
        const auto found = std::ranges::find_if(pifs_, [&](const pif& each) { return each.name.view() == name; });
        return found != pifs_.end() ? &*found : nullptr;
    }

    void clear(std::string_view name)
    {
        pif* const found = find(name);
        if (found == nullptr)
            refuse("Unsupported pif name " + std::string{name});
        found->rules.clear();
        change_.to_be_sent = true;
    }

    void ports(const pesto_step& step)
    {
        const bool host = of_the_host(step.letter);
        pif* const found = find(host ? "HOST" : "SPLICE");
        if (found == nullptr)
            refuse(std::string{"Can't use -"} + step.letter + ", no " + (host ? "inbound" : "outbound") + " interface");
        if (mode_ == mode::replace && !std::exchange(replaced_[host], true))
            found->rules.clear();
        switch (mode_) {
        case mode::replace:
            change_.to_be_sent = true;
            return replace(*found, step);
        case mode::add:
            return add(*found, step);
        case mode::remove:
            return remove(*found, step);
        }
    }

    port_spec_context context_of(const pif& of, char letter)
    {
        port_spec_context context;
        context.protocol = letter == 't' || letter == 'T' ? wire::protocol_tcp : wire::protocol_udp;
        context.side = of_the_host(letter) ? rule_side::host : rule_side::guest;
        context.enabled = {has(of, pesto::capability::tcp), has(of, pesto::capability::udp), has(of, pesto::capability::ipv4),
                           has(of, pesto::capability::ipv6)};
        context.ephemeral = ephemeral_;
        context.auto_allowed = has(of, pesto::capability::scan);
        context.device_binding = has(of, pesto::capability::interface_name);
        return context;
    }

    /// Adds what the specifier means to these rules. The refusal of a rule may be the caller's to word.
    std::optional<rule_refusal> try_to_read(forward_rules& into, const pif& of, const pesto_step& step)
    {
        const auto context = context_of(of, step.letter);
        if (context.side == rule_side::guest && !context.device_binding && step.text != "none")
            change_.warnings += std::string{"SO_BINDTODEVICE unavailable, forwarding only 127.0.0.1 and ::1 for '-"} +
                                step.letter + ' ' + std::string{step.text} + "'\n";
        const auto refused = add_port_spec(into, step.text, context);
        if (refused && refused->why != spec_fault::rule)
            refuse(text_of(*refused, step.letter, step.text, shown));
        return refused ? std::optional{refused->rule} : std::nullopt;
    }

    void read(forward_rules& into, const pif& of, const pesto_step& step)
    {
        if (const auto refused = try_to_read(into, of, step))
            refuse(*refused, step);
    }

    [[noreturn]] void refuse(const rule_refusal& rule, const pesto_step& step)
    {
        refuse(text_of({spec_fault::rule, step.text, rule}, step.letter, step.text, shown));
    }

    void replace(pif& of, const pesto_step& step) { read(of.rules, of, step); }

    /// "none" takes nothing back, and wants to be told so where there is something.
    bool is_none(pif& of, const pesto_step& step)
    {
        if (step.text != "none")
            return false;
        read(of.rules, of, step);
        return true;
    }

    void add(pif& to, const pesto_step& step)
    {
        if (is_none(to, step))
            return;
        forward_rules asked;
        read(asked, to, step);
        for (forward_rule rule : asked) {
            if (std::ranges::any_of(to.rules, [&](const forward_rule& there) { return pesto::same(there, rule); }))
                continue;
            rule.group = static_cast<std::uint8_t>(to.rules.size());
            if (const auto refused = add_rule(to.rules, rule, context_of(to, step.letter).enabled))
                refuse(*refused, step);
            change_.to_be_sent = true;
        }
    }

    void remove(pif& from, const pesto_step& step)
    {
        if (is_none(from, step))
            return;
        forward_rules asked;
        if (const auto refused = try_to_read(asked, from, step)) // no table can have it, or the specifier has it twice
            refuse(not_there(from, refused->rule));
        for (const forward_rule& rule : asked) {
            const auto found =
                std::ranges::find_if(from.rules, [&](const forward_rule& there) { return pesto::same(there, rule); });
            if (found == from.rules.end())
                refuse(not_there(from, rule));
            from.rules.erase(static_cast<std::size_t>(found - from.rules.begin()));
            change_.to_be_sent = true;
        }
    }

    std::string not_there(const pif& of, const forward_rule& rule)
    {
        return why_not_there(of, rule) + "\nUnable to delete rule " + shown(rule);
    }

    /// Why a rule cannot be deleted, and which may have been meant.
    std::string why_not_there(const pif& of, const forward_rule& rule)
    {
        auto text = "Couldn't find forwarding rule to delete: " + shown(rule);
        for (const forward_rule& there : of.rules)
            if (!pesto::same(there, rule) && conflicting(there, rule))
                return "Specifier " + shown(rule) + " conflicts with rule " + shown(there) +
                       ", but doesn't match it, can't delete";
        for (const bool same_protocol : {true, false})
            if (const auto* const near = find_overlapping(of.rules, rule, same_protocol))
                return text + "; the nearest is " + to_text(*near);
        for (const pif& other : pifs_)
            if (const auto* const near = &other != &of ? find_overlapping(other.rules, rule, true) : nullptr)
                return text + "; the nearest is " + to_text(*near) + " of " + std::string{other.name.view()};
        return text;
    }

    pif_list& pifs_;
    port_range ephemeral_;
    mode mode_ = mode::replace;
    bool replaced_[2] = {}; ///< whether the table was cleared for its first specifier: SPLICE, HOST
    table_change change_;
};

} // namespace

table_change change_tables(pif_list& pifs, const std::vector<pesto_step>& steps, const port_range& ephemeral)
{
    return changer{pifs, ephemeral}.follow(steps);
}

std::string shown(const forward_rule& rule)
{
    auto text = to_text(rule);
    if (!rule.best_effort && !rule.scan)
        text += ' ';
    return text;
}

std::string show_tables(const std::string& title, const pif_list& pifs)
{
    std::string text = title + '\n';
    for (const pif& each : pifs) {
        text.append("  ").append(each.name.view()) += '\n';
        for (const forward_rule& rule : each.rules)
            text += "    " + shown(rule) + '\n';
    }
    return text;
}

std::string debug_lines(const pif& received)
{
    constexpr std::pair<std::uint32_t, const char*> names[] = {
        {pesto::capability::ipv4, " IPv4"}, {pesto::capability::ipv6, " IPv6"}, {pesto::capability::tcp, " TCP"},
        {pesto::capability::udp, " UDP"},   {pesto::capability::scan, " scan"}, {pesto::capability::interface_name, " ifname"}};
    char head[64];
    std::snprintf(head, sizeof head, ", %zu rules, capabilities 0x%x:", received.rules.size(), received.capabilities);
    const auto id = std::to_string(received.id);
    auto text = "Receiving config for PIF " + id + "\nPIF " + id + ": " + std::string{received.name.view()} + head;
    for (const auto& [bit, name] : names)
        if (has(received, bit))
            text += name;
    return text + '\n';
}

} // namespace tapioca::client
