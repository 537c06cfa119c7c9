#include "daemon/control/rule_records.hpp"

#include <algorithm>
#include <utility>

namespace tapioca {

rule_records::rule_records(const forward_rules& host, const forward_rules& guest, std::span<const refused_ports> refused)
{
    for (const auto side : {rule_side::host, rule_side::guest}) {
        auto& records = sides_[index_of(side)];
        records.resize((side == rule_side::host ? host : guest).size());
        for (auto& record : records)
            record = {next_id_++, std::string{command_line}, {}, {}};
    }
    for (const auto& ports : refused)
        sides_[index_of(ports.side)][ports.rule].refused.push_back(ports);
}

void rule_records::follow(rule_side side, const forward_rules& before, const table_change& change,
                          std::span<const refused_ports> refused, std::string_view owner, const totals_of& counted)
{
    auto& records = sides_[index_of(side)];
    records.resize(change.next.size());
    for (const auto slot : change.order) {
        auto& record = records[slot];
        const bool is_new = std::ranges::count(change.new_slots, slot) != 0;
        if (!is_new && lead_alike(before[slot], change.next[slot]))
            continue;
        record = {next_id_++, std::string{owner}, counted(side, slot),
                  is_new ? std::vector<refused_ports>{} : std::move(record.refused)};
    }
    for (const auto& ports : refused)
        records[ports.rule].refused.push_back(ports);
}

} // namespace tapioca
