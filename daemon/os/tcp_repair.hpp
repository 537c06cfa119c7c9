// A TCP socket's connection, taken apart and put together again (TCP_REPAIR, which somebody with CAP_NET_ADMIN sets and clears).
// In repair mode nothing is sent: queues, sequence numbers and windows are read and set, bind and connect are silent, and so is
// close. It does not stop reception: a filter that drops everything does, before.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"
#include "proto/migrate/records.hpp"

#include <span>
#include <vector>

namespace tapioca::os {

/// From now on whatever arrives for the socket is dropped, neither queued nor acknowledged: the peer repeats it once hear() lets
/// it in. Takes no privilege. Of a listening socket, connections that are asked for.
[[nodiscard]] result<void> turn_deaf(int fd) noexcept;
void hear(int fd) noexcept;

/// The kernel's record of a connection, and the octets of its queues. Control plane only: it allocates.
struct taken_apart {
    migrate::socket_record record;
    std::vector<octet> send_queue, receive_queue;
};
/// Of a deaf socket in repair mode. Its peek offset is off afterwards. A connection that is over has the state `absent`.
[[nodiscard]] result<taken_apart> take_apart(int fd);

/// A socket in repair mode becomes the connection that the record says, with exact numbers; octets that have not been sent are
/// left out, and those that the socket has no room for. Returns how many of the send queue it has. `scope` as of bind().
[[nodiscard]] result<std::size_t> put_together(int fd, const endpoint& own, const endpoint& peer, unsigned scope,
                                               const migrate::socket_record& record, bytes_view send_queue,
                                               bytes_view receive_queue) noexcept;

/// The peer's stream ends with what is in the receive queue.
void shutdown_read(int fd) noexcept;

/// Sockets beside one octet, to whoever sets TCP_REPAIR for us. At most most_repaired.
inline constexpr std::size_t most_repaired = 253;
[[nodiscard]] result<void> send_with_sockets(int channel, octet command, std::span<const int> sockets) noexcept;

} // namespace tapioca::os
