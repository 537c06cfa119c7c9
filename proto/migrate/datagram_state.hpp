// Flows of datagrams as they are given to another process: all of them but their sockets. UDP flows stand behind the socket that
// they share. Instants are differences to the moment at which they were given.
#pragma once

#include "proto/flow/head.hpp"
#include "proto/flow/octets.hpp"
#include "proto/migrate/exchange.hpp"
#include "proto/udp/pseudo_connection.hpp"

namespace tapioca::migrate {

/// Between the connections and the flows of datagrams.
struct datagram_header {
    be32 udp_sockets; ///< records; those that do not listen have a descriptor each
    be32 echo_flows;  ///< records, with a descriptor each, the one that has been idle longest first
};
static_assert(sizeof(datagram_header) == 8 && wire_header<datagram_header>);

/// Where UDP flows meet on the host.
struct udp_socket_state {
    bool listens = false;
    listener_record through{}; ///< if it listens
    flow_key key;              ///< if not: the guest's address and port, and which one of its sockets
    octet ttl = 0;             ///< what it gives unicast packets by itself
    std::uint32_t flows = 0;   ///< records that follow
};

struct udp_flow_state {
    flow_head head;
    bool renamed = false;        ///< the guest knows the peer's port by another number
    bool asks_names = false;     ///< it leads to our name service
    bool passes_answers = false; ///< and what it sends was not always kept, so answers may be for that
    endpoint peer;
    ip_address called; ///< the address of ours that the peer called; unspecified: it did not
    std::uint16_t largest_segment = 0xffff;
    duration idle{};
    pseudo_connection::counts counts;
    flow_octets octets;
    std::uint16_t queries = 0; ///< records that follow
};

/// A query to our name service that waits for an answer.
struct query_state {
    octet ttl = 0, tos = 0; ///< of the guest's packet
    bytes_view message;
};

struct echo_flow_state {
    flow_head head;
    octet ttl = 0, tos = 0; ///< what the socket gives packets; a TTL of 0: its own default
    bool answered = false;  ///< nothing that was asked waits for an answer
    duration idle{};
    flow_octets octets;
};

inline constexpr std::size_t udp_socket_octets = 48, udp_flow_octets = 102, query_octets = 4, echo_flow_octets = 60;
inline constexpr std::uint32_t most_flows_of_socket = 1U << 17;
inline constexpr std::uint16_t most_queries = 128;

/// As many octets as named above, and the message behind a query (doc/take_over.md).
void write(writer& to, const udp_socket_state& s) noexcept;
void write(writer& to, const udp_flow_state& s) noexcept;
void write(writer& to, const query_state& s) noexcept;
void write(writer& to, const echo_flow_state& s) noexcept;

/// They refuse what no flow of ours can be: bad_length, bad_type or zero_port.
[[nodiscard]] parsed<udp_socket_state> read_udp_socket(reader& from) noexcept;
[[nodiscard]] parsed<udp_flow_state> read_udp_flow(reader& from) noexcept;
[[nodiscard]] parsed<query_state> read_query(reader& from) noexcept;
[[nodiscard]] parsed<echo_flow_state> read_echo_flow(reader& from) noexcept;

} // namespace tapioca::migrate
