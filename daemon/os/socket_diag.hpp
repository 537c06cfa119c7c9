// Which ports are bound in a network namespace, asked of the kernel by NETLINK_SOCK_DIAG. Read first: sock_diag(7).
//
// The socket belongs to the namespace in which it was opened, whatever thread uses it. A dump costs a visit to every bucket of
// the kernel's tables and one message a socket in the states that were asked for: sockets of connections cost nothing here, while
// /proc/net/tcp prints a line for each.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"
#include "proto/base/port_set.hpp"

#include <array>
#include <memory>

namespace tapioca::os {

class socket_diag {
public:
    /// A socket of the calling thread's network namespace. Only before sealing. That it could be opened does not say that the
    /// kernel can answer (CONFIG_INET_DIAG, CONFIG_INET_UDP_DIAG): the first dump says so.
    [[nodiscard]] static result<socket_diag> open();
    /// Any socket that answers like the kernel.
    explicit socket_diag(unique_fd socket);

    /// Adds the ports on which TCP sockets listen, or to which UDP sockets without a peer are bound, in both families. Never
    /// waits. ENOENT: the kernel has no diagnosis for this protocol. EINTR: sockets came and went during two dumps in a row.
    /// After an error some of the ports may be there already.
    [[nodiscard]] result<void> add_bound_ports(octet protocol, port_set& into);

private:
    /// The most that the kernel puts into one read of a dump (netlink_dump).
    using buffer = std::array<octet, 32768>;

    [[nodiscard]] result<void> dump(octet family, octet protocol, port_set& into);
    [[nodiscard]] result<void> ask(octet family, octet protocol);
    [[nodiscard]] result<void> read_answer(port_set& into);

    unique_fd socket_;
    std::unique_ptr<buffer> buffer_;
    std::uint32_t sequence_ = 0;
};

} // namespace tapioca::os
