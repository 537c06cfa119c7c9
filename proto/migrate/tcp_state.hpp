// Our end of a TCP connection towards the guest as a record of it, and back. What is measured or due in time does not travel: the
// other side begins anew with that.
#pragma once

#include "proto/flow/head.hpp"
#include "proto/migrate/records.hpp"
#include "proto/tcp/connection.hpp"

#include <optional>

namespace tapioca::migrate {

/// Whether there is a record for a connection in that state: both ends know of it, and not all is said.
[[nodiscard]] bool can_travel(const tcp::connection& c) noexcept;

/// What the guest knows of it. The rest, of the socket, is the caller's: own and peer, and events peer_finished and shut_to_peer.
[[nodiscard]] flow_record record_of(const flow_head& head, const tcp::connection& c) noexcept;

[[nodiscard]] flow_head head_of(const flow_record& f) noexcept;
/// Octets of ours that the guest has not acknowledged are taken to have reached it; its repetition timer runs from `now`.
[[nodiscard]] tcp::connection connection_of(const flow_record& f, instant now) noexcept;

/// Where the queues of a socket begin, and what is in them, from what a record says: those of upstream count some FINs as octets.
/// Nothing: an octet is missing.
[[nodiscard]] std::optional<socket_record> exact(const flow_record& f, socket_record s) noexcept;

} // namespace tapioca::migrate
