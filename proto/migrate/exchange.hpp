// What two processes say to each other while one takes the other's place (doc/take_over.md): the new one on the control socket of
// the old one, once that has agreed. Numbers are in network order. The old one's messages may have descriptors beside them, and
// each is acknowledged before the next one is sent.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"
#include "proto/forward/forward_rule.hpp"

namespace tapioca::migrate {

/// Of all that follows, and of the state. An unknown one is refused before anything moves.
inline constexpr std::uint32_t format_version = 2;

enum class message_kind : std::uint16_t {
    // of the new process
    hello = 1,    ///< value: the version that it understands; answered by `parts`
    acknowledged, ///< of the last message; value: its kind
    move,         ///< it is complete and sealed: stop, and send everything; value: its process id
    ready,        ///< it has everything and could go on
    serves,       ///< it goes on; the old one is to end
    // of the old process
    refused = 16, ///< text: why. It goes on as if nothing had been
    parts,        ///< a parts_header and texts, with the descriptors of the guest's link and of the listening sockets at paths
    listeners,    ///< a listener_record for each descriptor
    parts_end,    ///< that was all that moves early
    flows,        ///< descriptors of flows, in the order of the state
    state,        ///< a state file, sealed; value: its octets
    yours,        ///< it is the new one's turn: it says `serves`, and goes on
    link,         ///< ahead of `flows`, of a link that guests come to: a sealed file (link_state.hpp), then what belongs to the
                  ///< guest that is there; value: the file's octets
};

struct message_header {
    be16 kind, reserved;
    be32 value;
    be32 octets; ///< that follow
};
static_assert(sizeof(message_header) == 12 && wire_header<message_header>);

inline constexpr std::size_t longest_message = 128 * 1024;

/// A machine's link is a socket that its monitor comes to.
enum class link_kind : octet { none, tap, stream, vhost_user, count_ };

struct parts_header {
    be32 version;
    octet is_pasta;
    octet link;                            ///< link_kind
    be16 queues;                           ///< of the link
    octet vnet_header, checksum, tso, uso; ///< of a tap: what its kernel agreed to
    be64 secret0, secret1;
    be32 duid_time;
    /// 1: the listening socket follows the link's descriptors, and its path the rules.
    octet control, configuration, repair;
    be16 host_rules, guest_rules; ///< texts
};
static_assert(sizeof(parts_header) == 39 && wire_header<parts_header>);

/// Descriptors of the link beside the parts: the queues of a tap, or the one socket that a machine's monitor comes to, whose path
/// is the first one then.
[[nodiscard]] inline std::size_t descriptors_of_link(const parts_header& parts) noexcept
{
    return parts.link == static_cast<octet>(link_kind::tap) ? std::size_t{parts.queues} : 1;
}

struct listener_record {
    octet side, rule, protocol;
    be16 port;
};
static_assert(sizeof(listener_record) == 5 && wire_header<listener_record>);

/// The beginning of the state. A record for each connection follows, then what datagram_state.hpp has, in the order of their
/// descriptors.
struct state_header {
    be64 magic;
    be32 version;
    mac_address guest_mac;
    ip_address guest4, guest6, guest_link_local;
    be32 tcp_flows;
};
static_assert(sizeof(state_header) == 70 && wire_header<state_header>);
inline constexpr std::uint64_t state_magic = 0x7461'7069'6f63'6100; // "tapioca"

/// In front of each record.
struct flow_prefix {
    be16 worker;
};
static_assert(wire_header<flow_prefix>);

/// A text of the message: its length, and the octets.
void put_text(writer& to, std::string_view text) noexcept;
[[nodiscard]] parsed<std::string_view> take_text(reader& from) noexcept;

/// bad_version, or what is impossible.
[[nodiscard]] parsed<parts_header> read_parts(reader& from) noexcept;
[[nodiscard]] parsed<state_header> read_state(reader& from) noexcept;
[[nodiscard]] parsed<message_header> read_message(reader& from) noexcept;

} // namespace tapioca::migrate
