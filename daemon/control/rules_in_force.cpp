#include "daemon/control/rules_in_force.hpp"

#include "daemon/config/port_refusal.hpp"
#include "daemon/report/log.hpp"
#include "proto/forward/bypass.hpp"
#include "proto/wire/protocol.hpp"

#include <cerrno>
#include <chrono>

namespace tapioca {

namespace {

constexpr duration look = std::chrono::milliseconds{1}; ///< at planes that have not taken over what they were given

constexpr rule_side sides[] = {rule_side::host, rule_side::guest};

/// The start may have had rights that are gone.
std::string why_not(const listener_name& name, const forward_rule& rule, const boost::system::error_code& error)
{
    auto text = listen_failure(name, rule, error.message());
    if (error.value() == EACCES)
        text += "; that port is root's, and all privileges were given up at the start: name it on the command line, or take a "
                "higher one";
    return text;
}

constexpr std::size_t index_of(rule_side side) noexcept { return static_cast<std::size_t>(side); }

} // namespace

rules_in_force::rules_in_force(const beginning& from, means m)
    : means_(std::move(m)), listening_(from.listening.begin(), from.listening.end()),
      records_(from.rules.host, from.rules.guest, from.refused)
{
    for (const auto side : sides)
        for (const auto& rule : from.rules.of(side))
            placed_[index_of(side)].push_back({static_cast<std::uint8_t>(placed_[index_of(side)].size()), rule});
}

both_rules rules_in_force::now() const
{
    both_rules rules;
    for (const auto side : sides)
        for (const auto& placed : placed_[index_of(side)])
            rules.of(side).push_back(placed.rule);
    return rules;
}

std::vector<known_rule> rules_in_force::known() const
{
    std::vector<known_rule> all;
    for (const auto side : sides)
        for (const auto& placed : placed_[index_of(side)]) {
            const auto& record = records_.of(side, placed.slot);
            all.push_back({record.id, side, placed.slot, placed.rule, record.owner});
        }
    return all;
}

std::vector<port_range> rules_in_force::bound_ports_of(const known_rule& rule) const
{
    if (rule.rule.scan)
        return means_.follower == nullptr ? std::vector<port_range>{} : means_.follower->open_ports(rule.side, rule.slot);
    std::vector<port_range> bound;
    unsigned next = rule.rule.first;
    for (const auto& missing : records_.of(rule.side, rule.slot).refused) {
        if (next < missing.first)
            bound.push_back({static_cast<std::uint16_t>(next), static_cast<std::uint16_t>(missing.first - 1)});
        next = missing.last + 1U;
    }
    if (next <= rule.rule.last)
        bound.push_back({static_cast<std::uint16_t>(next), rule.rule.last});
    return bound;
}

std::optional<refused_rule> rules_in_force::judge(const both_rules& wanted) const
{
    for (const auto side : sides) {
        forward_rules checked;
        for (const auto& rule : wanted.of(side))
            if (const auto refused = add_rule(checked, rule, means_.limits.context.enabled))
                return refused_by(*refused);
    }
    if (means_.host_loopback_to_namespace)
        if (const auto circle = find_circle(wanted.host, wanted.guest))
            return refused_rule{to_text(circle->there), "with rule " + to_text(circle->back) + " it leads in a circle"};
    return judge_sockets(wanted);
}

/// Flows need descriptors, too. Fewer sockets than there are now are never too many.
std::optional<refused_rule> rules_in_force::judge_sockets(const both_rules& wanted) const
{
    std::size_t count = 0;
    for (const auto side : sides)
        for (const auto& rule : wanted.of(side))
            count += rule.scan ? 0 : rule.port_count();
    if (count <= means_.most_sockets || count <= listening_.size())
        return std::nullopt;
    return refused_rule{{},
                        "The rules would take " + std::to_string(count) + " sockets, and only " +
                            std::to_string(means_.most_sockets) + " of the files that may be open are for them"};
}

std::optional<refused_rule> rules_in_force::exchange(const both_rules& wanted, std::string_view owner, std::function<void()> done)
{
    if (changing_)
        return refused_rule{{}, "Rules are being changed by somebody else; try again"};
    if (same_rules(wanted, now())) {
        loop_->call_in(duration{}, std::move(done));
        return std::nullopt;
    }
    warnings_.clear();
    if (auto why = judge(wanted))
        return why;
    auto changes = std::make_shared<std::array<side_change, 2>>();
    for (const auto side : sides)
        if (auto why = plan(side, wanted.of(side), (*changes)[index_of(side)]))
            return why;
    changing_ = true;
    means_.workers.exchange([&](plane_config& next) {
        next.host_rules = (*changes)[0].change.next;
        next.guest_rules = (*changes)[1].change.next;
    });
    // A connection may be handed to a plane that does not know the rule yet: so nothing is accepted before all know it.
    wait_for_planes([this, changes, who = std::string{owner}, then = std::move(done)]() mutable {
        apply(*changes, who);
        wait_for_planes([this, who = std::move(who), last = std::move(then)] {
            changing_ = false;
            log::info("Forwarding rules have been changed, by " + who);
            log::warning(warnings_);
            last();
        });
    });
    return std::nullopt;
}

void rules_in_force::wait_for_planes(std::function<void()> then)
{
    loop_->call_in(look, [this, next = std::move(then)]() mutable {
        if (means_.workers.have_obeyed())
            next();
        else
            wait_for_planes(std::move(next));
    });
}

/// What changes on one side. All sockets that are missing are bound.
std::optional<refused_rule> rules_in_force::plan(rule_side side, const forward_rules& wanted, side_change& into)
{
    auto change = change_table(table(side), wanted);
    if (!change)
        return refused_rule{{}, "There are more rules than there is room for"};
    into.before = table(side);
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

std::optional<refused_rule> rules_in_force::open(rule_side side, std::uint8_t slot, side_change& into)
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
        auto failure = why_not(name, rule, fd.error());
        if (!rule.best_effort)
            return refused_rule{to_text(rule), std::move(failure)};
        note_refused(into.refused, name, fd.error().value());
        if (refused++ == 0)
            first = std::move(failure);
    }
    if (refused != 0)
        warnings_.push_back(text_of(
            refused_rule{to_text(rule), first + (refused > 1 ? " (and " + std::to_string(refused - 1) + " more ports)" : "")}));
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

void rules_in_force::apply(std::array<side_change, 2>& changes, std::string_view owner)
{
    bool scans_differ = false;
    for (const auto side : sides) {
        auto& c = changes[index_of(side)];
        records_.follow(side, c.before, c.change, c.refused, owner,
                        [this](rule_side s, std::size_t slot) { return means_.workers.counted_of_rule(s, slot); });
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
        auto& placed = placed_[index_of(side)];
        placed.clear();
        for (const auto slot : c.change.order)
            placed.push_back({slot, c.change.next[slot]});
        for (const auto slot : c.change.new_slots)
            scans_differ = scans_differ || c.change.next[slot].scan;
        scans_differ = scans_differ || !c.change.old_slots.empty();
    }
    if (scans_differ && means_.follower != nullptr)
        means_.follower->begin_anew(config(), std::vector<listener_name>(listening_.begin(), listening_.end()), means_.workers);
}

} // namespace tapioca
