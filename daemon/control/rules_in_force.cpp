#include "daemon/control/rules_in_force.hpp"

#include "daemon/config/port_refusal.hpp"
#include "proto/forward/bypass.hpp"
#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"

#include <chrono>
#include <numeric>

namespace tapioca {

namespace {

constexpr duration look = std::chrono::milliseconds{1}; ///< at planes that have not taken over what they were given

std::string with_rule(const forward_rule& rule, const std::string& why)
{
    return "Rule " + std::string{text_of(rule).view()} + ": " + why;
}

constexpr std::size_t index_of(rule_side side) noexcept { return static_cast<std::size_t>(side); }

} // namespace

rules_in_force::rules_in_force(const both_rules& rules, std::span<const listener_name> listening, means m)
    : means_(std::move(m)), listening_(listening.begin(), listening.end())
{
    order_[0].resize(rules.host.size());
    order_[1].resize(rules.guest.size());
    for (auto& slots : order_)
        std::iota(slots.begin(), slots.end(), std::uint8_t{0});
}

both_rules rules_in_force::now() const
{
    both_rules rules;
    for (const auto slot : order_[0])
        rules.host.push_back(config().host_rules[slot]);
    for (const auto slot : order_[1])
        rules.guest.push_back(config().guest_rules[slot]);
    return rules;
}

std::optional<std::string> rules_in_force::judge(const both_rules& wanted) const
{
    for (const auto* rules : {&wanted.host, &wanted.guest}) {
        forward_rules checked;
        for (const auto& rule : *rules)
            if (const auto refused = add_rule(checked, rule, means_.enabled))
                return with_rule(rule, text_of(*refused));
    }
    if (means_.host_loopback_to_namespace)
        if (const auto circle = find_circle(wanted.host, wanted.guest))
            return with_rule(circle->there, "with rule " + std::string{text_of(circle->back).view()} + " it leads in a circle");
    return std::nullopt;
}

std::optional<std::string> rules_in_force::exchange(const both_rules& wanted, reactor& loop, std::function<void()> done)
{
    if (changing_)
        return "Rules are being changed by somebody else; try again";
    warnings_.clear();
    if (auto why = judge(wanted))
        return why;
    auto changes = std::make_shared<std::array<side_change, 2>>();
    for (const auto side : {rule_side::host, rule_side::guest})
        if (auto why = plan(side, side == rule_side::host ? wanted.host : wanted.guest, (*changes)[index_of(side)]))
            return why;
    changing_ = true;
    means_.workers.exchange([&](plane_config& next) {
        next.host_rules = (*changes)[0].change.next;
        next.guest_rules = (*changes)[1].change.next;
    });
    // A connection may be handed to a plane that does not know the rule yet: so nothing is accepted before all know it.
    wait_for_planes(loop, [this, changes, &loop, then = std::move(done)]() mutable {
        apply(*changes);
        wait_for_planes(loop, [this, last = std::move(then)] {
            changing_ = false;
            last();
        });
    });
    return std::nullopt;
}

void rules_in_force::wait_for_planes(reactor& loop, std::function<void()> then)
{
    loop.call_in(look, [this, &loop, next = std::move(then)]() mutable {
        if (means_.workers.have_obeyed())
            next();
        else
            wait_for_planes(loop, std::move(next));
    });
}

/// What changes on one side. All sockets that are missing are bound.
std::optional<std::string> rules_in_force::plan(rule_side side, const forward_rules& wanted, side_change& into)
{
    auto change = change_table(table(side), wanted);
    if (!change)
        return "There are more rules than there is room for";
    into.change = *change;
    for (const auto slot : change->new_slots)
        if (auto why = open(side, slot, into))
            return why;
    for (const auto& name : listening_) {
        const bool goes = name.side == side && std::ranges::count(change->old_slots, name.rule) != 0;
        if (goes && !into.kept.contains(name))
            into.closed.push_back(name);
    }
    return std::nullopt;
}

std::optional<std::string> rules_in_force::open(rule_side side, std::uint8_t slot, side_change& into)
{
    const auto& rule = into.change.next[slot];
    unsigned refused = 0;
    std::string first;
    for (unsigned port = rule.first; !rule.scan && port <= rule.last; ++port) {
        const listener_name name{side, slot, static_cast<std::uint16_t>(port), rule.protocol};
        if (const auto from = listening_at(side, rule, name.port, into.change)) {
            into.renamed.push_back({*from, name});
            into.kept.insert(*from);
            continue;
        }
        auto fd = means_.open(rule, name);
        if (fd) {
            into.opened.push_back({std::move(*fd), name});
            continue;
        }
        auto failure = listen_failure(name, rule, fd.error().message());
        if (!rule.best_effort)
            return with_rule(rule, failure);
        if (refused++ == 0)
            first = std::move(failure);
    }
    if (refused != 0)
        warnings_.push_back(
            with_rule(rule, first + (refused > 1 ? " (and " + std::to_string(refused - 1) + " more ports)" : "")));
    return std::nullopt;
}

/// A socket of a rule that goes, which is in the place of one that the rule wants. Datagrams know their socket by its rule: those
/// are bound anew.
std::optional<listener_name> rules_in_force::listening_at(rule_side side, const forward_rule& rule, std::uint16_t port,
                                                          const table_change& change) const
{
    if (rule.protocol != wire::protocol_tcp)
        return std::nullopt;
    for (const auto slot : change.old_slots) {
        const auto& old = table(side)[slot];
        const listener_name name{side, slot, port, rule.protocol};
        if (share_places(old, rule) && !old.scan && listening_.contains(name))
            return name;
    }
    return std::nullopt;
}

void rules_in_force::apply(std::array<side_change, 2>& changes)
{
    bool scans_differ = false;
    for (const auto side : {rule_side::host, rule_side::guest}) {
        auto& c = changes[index_of(side)];
        for (const auto& r : c.renamed) {
            means_.workers.rename_listener(r.from, r.to);
            listening_.erase(r.from);
            listening_.insert(r.to);
        }
        for (const auto& name : c.closed) {
            means_.workers.stop_listening(name);
            listening_.erase(name);
        }
        for (auto& socket : c.opened) {
            listening_.insert(socket.name);
            means_.workers.listen(std::move(socket));
        }
        order_[index_of(side)].assign(c.change.order.begin(), c.change.order.end());
        for (const auto slot : c.change.new_slots)
            scans_differ = scans_differ || c.change.next[slot].scan;
        scans_differ = scans_differ || !c.change.old_slots.empty();
    }
    if (scans_differ && means_.scans_changed)
        means_.scans_changed();
}

} // namespace tapioca
