// How the rules of one side become others while they are in use. Sockets and flows know a rule by its slot in the table, so a
// rule that stays keeps its slot, and one that goes leaves it: what was accepted through it a moment ago still finds where it
// led. A slot that is not in use has no protocol, and so leads nowhere for anything new.
#pragma once

#include "proto/forward/forward_rule.hpp"

#include <optional>

namespace tapioca {

struct table_change {
    forward_rules next;                                              ///< by slot
    fixed_vector<std::uint8_t, forward_rules::capacity()> order;     ///< slots of the wanted rules, in their order
    fixed_vector<std::uint8_t, forward_rules::capacity()> new_slots; ///< of rules that listen nowhere yet
    fixed_vector<std::uint8_t, forward_rules::capacity()> old_slots; ///< of rules that have gone
};

[[nodiscard]] constexpr bool is_in_use(const forward_rule& slot) noexcept { return slot.protocol != 0; }

/// Whether two rules listen at the same places, wherever they lead.
[[nodiscard]] bool listen_alike(const forward_rule& a, const forward_rule& b) noexcept;
/// Whether the sockets of both have the same address; of their ports, those that both have are the same places.
[[nodiscard]] bool share_places(const forward_rule& a, const forward_rule& b) noexcept;

/// Whether they are one rule: they listen alike, and lead to the same place.
[[nodiscard]] bool lead_alike(const forward_rule& a, const forward_rule& b) noexcept;

/// `current`: by slot. `wanted`: rules that add_rule() has nothing against. Nothing if there are not enough slots.
[[nodiscard]] std::optional<table_change> change_table(const forward_rules& current, const forward_rules& wanted) noexcept;

} // namespace tapioca
