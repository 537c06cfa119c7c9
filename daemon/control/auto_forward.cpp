#include "daemon/control/auto_forward.hpp"

#include "proto/wire/protocol.hpp"

#include <cerrno>

namespace tapioca {
namespace {

constexpr std::size_t most_told = 10; ///< ports whose refusal is told of one scan: the guest may bind thousands

} // namespace

auto_forward::auto_forward(const forward_rules& host, const forward_rules& guest, os::socket_diag& host_ports,
                           os::socket_diag& guest_ports, std::span<const listener_name> fixed,
                           std::function<os::result<os::unique_fd>(const listener_name&)> open, std::size_t most)
    : host_(host), guest_(guest), host_ports_(host_ports), guest_ports_(guest_ports), open_(std::move(open)),
      memory_(port_scan::words_for(host, guest)), state_(host, guest, memory_), most_(most)
{
    for (const auto& name : fixed)
        state_.add_fixed(name.side, name.protocol, name.port);
}

std::vector<std::string> auto_forward::scan(worker_pool& workers)
{
    std::vector<std::string> warnings;
    take_up_again();
    failures_ = 0;
    bound_ports host, guest;
    // Our own sockets that are still open when the ports are read must not be taken for those of other programs.
    if (workers.have_obeyed() && read(rule_side::host, host_ports_, host, warnings) &&
        read(rule_side::guest, guest_ports_, guest, warnings))
        state_.update(host, guest, [&](const scan_change& change) { apply(workers, change, warnings); });
    if (failures_ > most_told)
        warnings.push_back("(and " + std::to_string(failures_ - most_told) + " more ports)");
    return warnings;
}

std::vector<port_range> auto_forward::open_ports(rule_side side, std::size_t rule) const
{
    std::vector<port_range> ports;
    const listener_name from{side, static_cast<std::uint8_t>(rule), 0, 0};
    for (auto at = open_names_.lower_bound(from); at != open_names_.end() && at->side == side && at->rule == rule; ++at) {
        if (!ports.empty() && ports.back().last + 1 == at->port)
            ports.back().last = at->port;
        else
            ports.push_back({at->port, at->port});
    }
    return ports;
}

void auto_forward::close_all(worker_pool& workers)
{
    for (const auto& name : open_names_)
        workers.stop_listening(name);
    open_names_.clear();
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
    const auto& rule = rule_of(change);
    const listener_name name{change.side, static_cast<std::uint8_t>(change.rule), change.port, rule.protocol};
    if (change.action == scan_action::close) {
        open_names_.erase(name);
        return workers.stop_listening(name);
    }
    if (open_names_.size() >= most_)
        return leave_out(change, warnings);
    auto fd = open_(name);
    if (fd) {
        open_names_.insert(name);
        return workers.listen({std::move(*fd), name});
    }
    state_.refused(change);
    if (++failures_ <= most_told)
        warnings.push_back(listen_failure(name, rule, fd.error().message()));
}

/// Ports beyond the limit are left out, and opened when others have closed.
void auto_forward::leave_out(const scan_change& change, std::vector<std::string>& warnings)
{
    state_.refused(change);
    auto& ports = left_out_[change.side == rule_side::guest];
    (rule_of(change).protocol == wire::protocol_tcp ? ports.tcp : ports.udp).set(change.port);
    any_left_out_ = true;
    if (!std::exchange(told_, true))
        warnings.push_back("No more than " + std::to_string(most_) +
                           " ports are forwarded automatically at a time, a quarter of the files that may be open (ulimit -n, "
                           "LimitNOFILE=): port " +
                           std::to_string(change.port) + " of the " + (change.side == rule_side::host ? "host" : "namespace") +
                           " and others are left out");
}

void auto_forward::take_up_again()
{
    if (!any_left_out_ || open_names_.size() >= most_)
        return;
    state_.retry(rule_side::host, left_out_[0]);
    state_.retry(rule_side::guest, left_out_[1]);
    left_out_ = {};
    any_left_out_ = false;
}

} // namespace tapioca
