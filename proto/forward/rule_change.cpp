#include "proto/forward/rule_change.hpp"

#include <array>

namespace tapioca {

bool share_places(const forward_rule& a, const forward_rule& b) noexcept
{
    return a.protocol == b.protocol && a.stack == b.stack && a.address == b.address && a.interface.view() == b.interface.view();
}

bool listen_alike(const forward_rule& a, const forward_rule& b) noexcept
{
    return share_places(a, b) && a.first == b.first && a.last == b.last && a.scan == b.scan;
}

bool lead_alike(const forward_rule& a, const forward_rule& b) noexcept
{
    return listen_alike(a, b) && a.target_first == b.target_first && a.target == b.target;
}

namespace {

/// Slots that never were in use come first: whatever refers to a rule that has gone finds it as long as possible.
class free_slots {
public:
    explicit free_slots(const forward_rules& current) noexcept : current_(current), next_(current.size()) {}

    [[nodiscard]] std::optional<std::uint8_t> take() noexcept
    {
        if (next_ < forward_rules::capacity())
            return static_cast<std::uint8_t>(next_++);
        for (; old_ < current_.size(); ++old_)
            if (!is_in_use(current_[old_]))
                return static_cast<std::uint8_t>(old_++);
        return std::nullopt;
    }

private:
    const forward_rules& current_;
    std::size_t next_, old_ = 0;
};

std::optional<std::uint8_t> slot_of(const forward_rules& current, const forward_rule& wanted) noexcept
{
    for (std::size_t i = 0; i < current.size(); ++i)
        if (is_in_use(current[i]) && listen_alike(current[i], wanted))
            return static_cast<std::uint8_t>(i);
    return std::nullopt;
}

void put(forward_rules& table, std::size_t slot, const forward_rule& rule) noexcept
{
    while (table.size() <= slot)
        table.push_back({});
    table[slot] = rule;
}

} // namespace

std::optional<table_change> change_table(const forward_rules& current, const forward_rules& wanted) noexcept
{
    table_change change{.next = current, .order = {}, .new_slots = {}, .old_slots = {}};
    std::array<bool, forward_rules::capacity()> taken{};
    std::array<std::optional<std::uint8_t>, forward_rules::capacity()> slots{};
    for (std::size_t i = 0; i < wanted.size(); ++i)
        if ((slots[i] = slot_of(current, wanted[i])))
            taken[*slots[i]] = true;
    for (std::size_t i = 0; i < current.size(); ++i)
        if (is_in_use(current[i]) && !taken[i]) {
            change.old_slots.push_back(static_cast<std::uint8_t>(i));
            change.next[i].protocol = 0;
            change.next[i].scan = false;
        }
    free_slots unused{current};
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (!slots[i]) {
            slots[i] = unused.take();
            if (!slots[i])
                return std::nullopt;
            change.new_slots.push_back(*slots[i]);
        }
        put(change.next, *slots[i], wanted[i]);
        change.order.push_back(*slots[i]);
    }
    return change;
}

} // namespace tapioca
