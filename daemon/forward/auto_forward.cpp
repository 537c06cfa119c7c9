#include "daemon/forward/auto_forward.hpp"

#include "proto/wire/protocol.hpp"

#include <cerrno>

namespace tapioca {

auto_forward::auto_forward(const forward_rules& host, const forward_rules& guest, os::socket_diag host_ports,
                           os::socket_diag guest_ports, std::span<const listener_name> fixed,
                           std::function<os::result<os::unique_fd>(const listener_name&)> open)
    : host_(host), guest_(guest), host_ports_(std::move(host_ports)), guest_ports_(std::move(guest_ports)),
      open_(std::move(open)), memory_(port_scan::words_for(host, guest) * sizeof(scan_word)),
      state_(host, guest, memory_.as<scan_word>())
{
    for (const auto& name : fixed)
        state_.add_fixed(name.side, name.protocol, name.port);
}

std::vector<std::string> auto_forward::scan(worker_pool& workers)
{
    std::vector<std::string> warnings;
    const bool late = !late_.empty();
    std::erase_if(late_, [&](const listener_name& name) { return workers.stop_listening(name); });
    bound_ports host, guest;
    // What is still ours when the ports are read must not pass for somebody else's.
    if (!late && read(rule_side::host, host_ports_, host, warnings) && read(rule_side::guest, guest_ports_, guest, warnings))
        state_.update(host, guest, [&](const scan_change& change) { apply(workers, change, warnings); });
    return warnings;
}

/// Sockets that came and went while they were read are no error: the next second will tell.
bool auto_forward::read(rule_side side, os::socket_diag& from, bound_ports& into, std::vector<std::string>& warnings)
{
    for (const octet protocol : {wire::protocol_tcp, wire::protocol_udp}) {
        if (!state_.needs(side, protocol))
            continue;
        const auto done = from.add_bound_ports(protocol, protocol == wire::protocol_tcp ? into.tcp : into.udp);
        if (done)
            continue;
        if (done.error().value() == EINTR)
            return false;
        if (!std::exchange(warned_[protocol == wire::protocol_tcp], true))
            warnings.push_back(std::string{"The kernel does not tell which ports are in use (inet_diag), so none are forwarded "
                                           "automatically: "} +
                               (protocol == wire::protocol_tcp ? "TCP: " : "UDP: ") + done.error().message());
        if (done.error().value() != ENOENT)
            return false;
    }
    return true;
}

void auto_forward::apply(worker_pool& workers, const scan_change& change, std::vector<std::string>& warnings)
{
    const auto& rule = (change.side == rule_side::host ? host_ : guest_)[change.rule];
    const listener_name name{change.side, static_cast<std::uint8_t>(change.rule), change.port, rule.protocol};
    if (change.action == scan_action::close) {
        if (!workers.stop_listening(name))
            late_.push_back(name);
        return;
    }
    auto fd = open_(name);
    if (fd && workers.listen({std::move(*fd), name}))
        return;
    state_.refused(change);
    if (!fd)
        warnings.push_back(listen_failure(name, rule, fd.error().message()));
}

} // namespace tapioca
