// The rules that follow the other side (`auto`): once a second the control plane asks the kernel which ports are bound on the
// host and in the namespace, and opens and closes listening sockets accordingly.
#pragma once

#include "daemon/forward/listener_set.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/os/socket_diag.hpp"
#include "proto/forward/port_scan.hpp"
#include "proto/forward/port_spec.hpp"

#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace tapioca {

class auto_forward {
public:
    /// The kernel's answers for the two namespaces; they and the rules outlive the object. `fixed`: what is listened at for good.
    /// `open` makes a socket. `most`: how many sockets, so that a program that binds thousands of ports does not use up our
    /// descriptors.
    auto_forward(const forward_rules& host, const forward_rules& guest, os::socket_diag& host_ports, os::socket_diag& guest_ports,
                 std::span<const listener_name> fixed, std::function<os::result<os::unique_fd>(const listener_name&)> open,
                 std::size_t most);

    /// Looks, and tells the workers. What is to be told to the user, if anything.
    [[nodiscard]] std::vector<std::string> scan(worker_pool& workers);
    /// The ports that are open for a rule now, in their order.
    [[nodiscard]] std::vector<port_range> open_ports(rule_side side, std::size_t rule) const;
    /// Ends listening at all that was opened.
    void close_all(worker_pool& workers);

private:
    [[nodiscard]] bool read(rule_side side, os::socket_diag& from, bound_ports& into, std::vector<std::string>& warnings);
    void apply(worker_pool& workers, const scan_change& change, std::vector<std::string>& warnings);
    void leave_out(const scan_change& change, std::vector<std::string>& warnings);
    void take_up_again();
    [[nodiscard]] const forward_rule& rule_of(const scan_change& change) const
    {
        return (change.side == rule_side::host ? host_ : guest_)[change.rule];
    }

    const forward_rules &host_, &guest_;
    os::socket_diag &host_ports_, &guest_ports_;
    std::function<os::result<os::unique_fd>(const listener_name&)> open_;
    std::vector<scan_word> memory_; ///< from the heap: another one may be made when nothing can be mapped any more
    port_scan state_;
    std::array<bool, 2> warned_{}; ///< that there is no answer about UDP, about TCP

    const std::size_t most_;
    std::set<listener_name> open_names_;
    std::array<bound_ports, 2> left_out_{}; ///< for want of room, on the host and in the namespace
    bool any_left_out_ = false, told_ = false;
    std::size_t failures_ = 0; ///< in this scan
};

} // namespace tapioca
