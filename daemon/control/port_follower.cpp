#include "daemon/control/port_follower.hpp"

namespace tapioca {

port_follower::port_follower(const forward_rules& host, const forward_rules& guest, std::span<const listener_name> fixed, means m)
    : means_(std::move(m)), host_(host), guest_(guest)
{
    make(fixed);
}

void port_follower::make(std::span<const listener_name> fixed)
{
    const auto open = [this](const listener_name& name) {
        return means_.open((name.side == rule_side::host ? host_ : guest_)[name.rule], name);
    };
    current_ = std::make_unique<auto_forward>(host_, guest_, means_.host_ports, means_.guest_ports, fixed, open, means_.most);
}

void port_follower::begin_anew(const plane_config& config, std::span<const listener_name> fixed, worker_pool& workers)
{
    current_->close_all(workers);
    current_.reset();
    host_ = config.host_rules;
    guest_ = config.guest_rules;
    make(fixed);
}

} // namespace tapioca
