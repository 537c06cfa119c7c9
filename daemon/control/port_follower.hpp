// The look at ports for the rules that follow the other side, also when rules change: then it begins anew.
#pragma once

#include "daemon/control/auto_forward.hpp"

#include <memory>

namespace tapioca {

class port_follower {
public:
    struct means {
        os::socket_diag host_ports, guest_ports;
        listener_opener open;
        std::size_t most = 0; ///< sockets
    };
    port_follower(const forward_rules& host, const forward_rules& guest, std::span<const listener_name> fixed, means m);

    [[nodiscard]] std::vector<std::string> scan(worker_pool& workers) { return current_->scan(workers); }
    /// The ports that are open for a rule now, in their order.
    [[nodiscard]] std::vector<port_range> open_ports(rule_side side, std::size_t rule) const
    {
        return current_->open_ports(side, rule);
    }
    /// The rules are others now, each in its slot. What listened for those before ends; the next look opens what is wanted.
    void begin_anew(const plane_config& config, std::span<const listener_name> fixed, worker_pool& workers);

private:
    void make(std::span<const listener_name> fixed);

    means means_;
    forward_rules host_, guest_;
    std::unique_ptr<auto_forward> current_;
};

} // namespace tapioca
