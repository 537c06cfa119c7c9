// The sockets that wait for peers by the forwarding rules: one for each rule and port, so that a conflict stays visible.
#pragma once

#include "daemon/forward/listening_socket.hpp"
#include "daemon/os/error.hpp"
#include "daemon/os/listen.hpp"
#include "proto/forward/forward_rule.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tapioca {

/// The rules of one side. `freebind`: addresses that do not exist yet may be listened on.
struct listening_side {
    rule_side side = rule_side::host;
    const forward_rules& rules;
    bool freebind = false;
    std::vector<listening_socket>* taken = nullptr; ///< from who listened before us: not opened again; null: nobody did
};

/// Ports of a rule, one behind the other, that could not be listened at, all for one reason.
struct refused_ports {
    rule_side side = rule_side::host;
    std::uint8_t rule = 0; ///< index among the rules of the side
    std::uint16_t first = 0, last = 0;
    int error = 0; ///< errno
};
/// Ports of a rule come in their order.
void note_refused(std::vector<refused_ports>& into, const listener_name& port, int error);

struct opened_listeners {
    std::vector<listening_socket> sockets;
    std::vector<refused_ports> refused; ///< of rules that are content with what they get
    std::vector<std::string> warnings;  ///< one a rule of which not all ports could be had
};

/// Opens what the rules ask for at start, in the network namespace of the calling thread; ports of `scan` rules come and go
/// later. Throws std::runtime_error if a port that was asked for by itself cannot be had, if a best-effort specifier gets none at
/// all, or if there are more ports than the process may have descriptors.
[[nodiscard]] opened_listeners open_listeners(const listening_side& from);

/// Makes a socket of a rule, in the namespace of its side.
using listener_opener = std::function<os::result<os::unique_fd>(const forward_rule&, const listener_name&)>;

/// The line for a port that could not be listened at.
[[nodiscard]] std::string listen_failure(const listener_name& name, const forward_rule& rule, const std::string& why);

/// Where a socket of a rule listens.
[[nodiscard]] os::listen_at listen_place(const forward_rule& rule, std::uint16_t port, bool freebind) noexcept;
/// One socket of a rule, any time, in the network namespace of the calling thread.
[[nodiscard]] os::result<os::unique_fd> open_listener(const forward_rule& rule, std::uint16_t port, bool freebind) noexcept;

} // namespace tapioca
