// The forwarding rules that are in force, and how others come into force: as a whole or not at all. What listens at the same
// places before and after is not touched; new sockets are bound before old ones are closed; a port of TCP that changes its rule
// keeps its socket, with the connections that wait in it.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/forward/listener_set.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "proto/forward/rule_change.hpp"
#include "proto/forward/rule_table.hpp"

#include <functional>
#include <set>
#include <string>
#include <variant>

namespace tapioca {

/// The rules of both sides, in the order in which they are shown.
struct both_rules {
    forward_rules host, guest;
};

class rules_in_force {
public:
    struct means {
        worker_pool& workers;
        enabled_protocols enabled;
        bool host_loopback_to_namespace = false;
        listener_opener open;
        /// Rules that follow the other side have changed: whoever looks at ports has to begin anew. May be empty.
        std::function<void()> scans_changed;
    };
    /// `listening`: what was opened at start.
    rules_in_force(const both_rules& rules, std::span<const listener_name> listening, means m);

    [[nodiscard]] both_rules now() const;
    /// By slot, as planes have them.
    [[nodiscard]] const plane_config& config() const noexcept { return means_.workers.config(); }
    [[nodiscard]] const std::set<listener_name>& listening() const noexcept { return listening_; }

    /// Which rule was refused, and why; nothing: they come into force. `done` is called when planes have them.
    [[nodiscard]] std::optional<std::string> exchange(const both_rules& wanted, reactor& loop, std::function<void()> done);
    /// Whether an exchange is under way; another one is refused then.
    [[nodiscard]] bool is_changing() const noexcept { return changing_; }
    /// Ports that could not be had of the rules of the last exchange that are content with what they get.
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

private:
    struct side_change {
        table_change change;
        std::vector<listening_socket> opened;
        std::vector<rename_listener> renamed;
        std::set<listener_name> kept; ///< under other names
        std::vector<listener_name> closed;
    };

    [[nodiscard]] std::optional<std::string> judge(const both_rules& wanted) const;
    [[nodiscard]] std::optional<std::string> plan(rule_side side, const forward_rules& wanted, side_change& into);
    [[nodiscard]] std::optional<std::string> open(rule_side side, std::uint8_t slot, side_change& into);
    [[nodiscard]] std::optional<listener_name> listening_at(rule_side side, const forward_rule& rule, std::uint16_t port,
                                                            const table_change& change) const;
    void apply(std::array<side_change, 2>& changes);
    void wait_for_planes(reactor& loop, std::function<void()> then);
    [[nodiscard]] const forward_rules& table(rule_side side) const noexcept
    {
        return side == rule_side::host ? config().host_rules : config().guest_rules;
    }

    means means_;
    std::array<std::vector<std::uint8_t>, 2> order_;
    std::set<listener_name> listening_;
    std::vector<std::string> warnings_;
    bool changing_ = false;
};

} // namespace tapioca
