// The forwarding rules that are in force, and how others come into force: as a whole or not at all. What listens at the same
// places before and after is not touched; new sockets are bound before old ones are closed; a port of TCP that changes its rule
// keeps its socket, with the connections that wait in it.
#pragma once

#include "daemon/control/port_follower.hpp"
#include "daemon/control/reactor.hpp"
#include "daemon/control/rule_records.hpp"
#include "daemon/control/rule_request.hpp"

#include <boost/container/flat_set.hpp>

#include <functional>
#include <set>
#include <string>

namespace tapioca {

class rules_in_force final : public control_service {
public:
    struct means {
        worker_pool& workers;
        spec_limits limits;
        bool host_loopback_to_namespace = false;
        listener_opener open;
        std::size_t most_sockets = 0;      ///< that may listen at a time
        port_follower* follower = nullptr; ///< null: no rule follows the other side
    };
    /// What was opened at start, and what could not be.
    struct beginning {
        both_rules rules;
        std::vector<listener_name> listening;
        std::vector<refused_ports> refused;
    };
    rules_in_force(const beginning& from, means m);

    void start(reactor& loop) override { loop_ = &loop; }

    [[nodiscard]] both_rules now() const;
    /// Likewise, each with what is known of it.
    [[nodiscard]] std::vector<known_rule> known() const;
    [[nodiscard]] const rule_record& record_of(rule_side side, std::size_t slot) const { return records_.of(side, slot); }
    /// What came through the rule in that slot.
    [[nodiscard]] report::rule_totals counted(rule_side side, std::size_t slot) const
    {
        return means_.workers.counted_of_rule(side, slot) - records_.of(side, slot).before;
    }
    /// The ports that a rule listens at now, in their order.
    [[nodiscard]] std::vector<port_range> bound_ports_of(const known_rule& rule) const;
    /// By slot, as planes have them.
    [[nodiscard]] const plane_config& config() const noexcept { return means_.workers.config(); }
    using names = boost::container::flat_set<listener_name>; ///< there may be all ports among them
    [[nodiscard]] const names& listening() const noexcept { return listening_; }
    [[nodiscard]] const spec_limits& limits() const noexcept { return means_.limits; }

    /// Which rule was refused, and why; nothing: they come into force. `owner`: of those that are new. `done` is called when
    /// planes have them. The loop has started.
    [[nodiscard]] std::optional<refused_rule> exchange(const both_rules& wanted, std::string_view owner,
                                                       std::function<void()> done);
    /// Whether an exchange is under way; another one is refused then.
    [[nodiscard]] bool is_changing() const noexcept { return changing_; }

private:
    struct placed_rule {
        std::uint8_t slot = 0;
        forward_rule rule;
    };
    struct side_change {
        forward_rules before;
        table_change change;
        std::vector<listening_socket> opened;
        std::vector<rename_listener> renamed;
        std::set<listener_name> kept; ///< under other names
        std::vector<listener_name> closed;
        std::vector<refused_ports> refused;
    };

    [[nodiscard]] std::optional<refused_rule> judge(const both_rules& wanted) const;
    [[nodiscard]] std::optional<refused_rule> judge_sockets(const both_rules& wanted) const;
    [[nodiscard]] std::optional<refused_rule> plan(rule_side side, const forward_rules& wanted, side_change& into);
    [[nodiscard]] std::optional<refused_rule> open(rule_side side, std::uint8_t slot, side_change& into);
    [[nodiscard]] std::optional<listener_name> listening_at(rule_side side, const forward_rule& rule, std::uint16_t port,
                                                            const table_change& change) const;
    void apply(std::array<side_change, 2>& changes, std::string_view owner);
    void wait_for_planes(std::function<void()> then);
    [[nodiscard]] const forward_rules& table(rule_side side) const noexcept
    {
        return side == rule_side::host ? config().host_rules : config().guest_rules;
    }

    means means_;
    reactor* loop_ = nullptr;
    /// In the order in which they are shown. While rules change, planes have others already.
    std::array<std::vector<placed_rule>, 2> placed_;
    names listening_;
    rule_records records_;
    std::vector<std::string> warnings_; ///< ports that could not be had of rules that are content with what they get
    bool changing_ = false;
};

} // namespace tapioca
