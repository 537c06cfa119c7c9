// What is known of the rules in force beside what planes need: ids that last, owners, ports that could not be had, and what their
// slots had counted before they were theirs.
#pragma once

#include "daemon/forward/listener_set.hpp"
#include "daemon/report/rule_counts.hpp"
#include "proto/forward/rule_change.hpp"

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

struct rule_record {
    std::uint64_t id = 0; ///< from 1 on, and never given to another rule of this process; 0: the slot never had a rule
    std::string owner;
    report::rule_totals before;         ///< counted by the slot for other rules
    std::vector<refused_ports> refused; ///< of a rule that is content with what it gets, when it came
};

class rule_records {
public:
    static constexpr std::string_view command_line = "command line";

    /// Rules of the start, each in its slot.
    rule_records(const forward_rules& host, const forward_rules& guest, std::span<const refused_ports> refused);

    /// What the slots of a side have counted by now.
    using totals_of = std::function<report::rule_totals(rule_side, std::size_t slot)>;
    /// Rules of a side become others. One that stays as it is keeps its record; one that leads elsewhere is another rule.
    /// `refused`: of the new slots.
    void follow(rule_side side, const forward_rules& before, const table_change& change, std::span<const refused_ports> refused,
                std::string_view owner, const totals_of& counted);

    /// Also of a rule that has gone, as long as its slot has no other.
    [[nodiscard]] const rule_record& of(rule_side side, std::size_t slot) const { return sides_[index_of(side)][slot]; }

private:
    [[nodiscard]] static constexpr std::size_t index_of(rule_side side) noexcept { return static_cast<std::size_t>(side); }

    std::array<std::vector<rule_record>, 2> sides_; ///< by slot
    std::uint64_t next_id_ = 1;
};

} // namespace tapioca
