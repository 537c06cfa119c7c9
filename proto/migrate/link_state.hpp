// What is under way on the link of a machine when another process takes our place (doc/take_over.md): its monitor's connection
// goes on in the middle of a frame, in either direction.
//
// Of a guest that shares its memory the state is what its monitor has said, in as few messages as make a session like it: so the
// one who takes it believes nothing that it would not believe a monitor.
#pragma once

#include "proto/migrate/exchange.hpp"
#include "proto/vhost/message.hpp"

namespace tapioca::migrate {

struct link_header {
    be32 version;
    octet link;                ///< link_kind
    octet client;              ///< 1: the first descriptor is the guest's connection
    be32 said;                 ///< octets that follow: messages of a vhost-user front-end
    be32 from_guest, to_guest; ///< then octets that were received and not dealt with, and those that are still to be sent
};
static_assert(sizeof(link_header) == 18 && wire_header<link_header>);

struct link_state {
    link_kind link = link_kind::none;
    bool has_client = false;
    bytes_view said, from_guest, to_guest;
};

/// The whole state and nothing else. Without a guest there is nothing under way.
[[nodiscard]] parsed<link_state> read_link(bytes_view octets) noexcept;

inline constexpr std::size_t said_octets = 1 + sizeof(vhost::message_header); ///< in front of the payload
/// A message of `said`: how many descriptors it has, header and payload.
void put_said(writer& to, vhost::request what, bytes_view payload, std::size_t descriptors) noexcept;
[[nodiscard]] parsed<vhost::message> take_said(reader& from) noexcept;

} // namespace tapioca::migrate
