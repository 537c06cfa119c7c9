// UDP between the guest and sockets of the host.
//
// Each address and port of the guest has one socket, a udp_port, for all its peers (RFC 4787 section 4.1: endpoint-independent
// mapping). It is bound to the guest's own port where that is free, without SO_REUSEPORT, so that no other program can
// receive what is meant for the guest. It is not connected: the kernel chooses the source address anew for each datagram, and we
// find the flow of an answer by its sender. Answers are taken from addresses that the guest has sent to (section 5), whatever
// their port; after a datagram to a group, from any address.
//
// Inbound flows arrive at a listening socket, and their answers leave through it. What the guest sends from a port that is
// forwarded to it leaves through the listening socket, too, so that peers see the forwarded port.
//
// Datagrams of equal size that follow each other travel as one in both directions: as a message with UDP_SEGMENT to the socket,
// with UDP_GRO from it, as a USO super-frame over the tap. The sockets are edge-triggered: one is read until it is empty, or put
// on a list when the turn's budget is spent. A socket with a high rate of datagrams is polled by time instead.
//
// udp_translator.cpp keeps flows and their time, udp_open.cpp begins those of the guest, udp_port.cpp makes sockets and counts
// their flows, udp_arrival.cpp finds the flow of what arrives, or begins one; udp_guest.cpp takes datagrams from the
// guest, udp_socket.cpp those from sockets, udp_errors.cpp what the network says about them, and udp_poll.cpp says when; with
// udp_give.cpp all of it moves to another process. Queries to our name service are another matter: udp_names.cpp. RFC 768; RFC
// 4787 for what applications expect of a translator; RFC 1191 and RFC 8201 for sizes.
#pragma once

#include "daemon/os/socket.hpp"
#include "daemon/translate/datagram_io.hpp"
#include "daemon/translate/flow_set.hpp"
#include "daemon/translate/name_queries.hpp"
#include "daemon/translate/to_guest.hpp"
#include "proto/base/fixed_vector.hpp"
#include "proto/migrate/datagram_state.hpp"
#include "proto/udp/arrival_rate.hpp"
#include "proto/udp/pseudo_connection.hpp"
#include "proto/udp/segment_run.hpp"

#include <optional>

namespace tapioca {

class udp_splice;

/// A socket of the host on which flows meet: of one address and port of the guest, or a listening one.
struct udp_port {
    flow_key key; ///< see udp_translator::key_of_port
    bool listens : 1 = false;
    bool ready_listed : 1 = false;
    bool polled : 1 = false;                                     ///< its datagrams do not wake us
    listener_name through;                                       ///< if it listens
    std::array<std::optional<os::fragmentation>, 2> fragments{}; ///< what is set, by ip_family
    octet ttl = 0;                                               ///< what the socket gives unicast packets by itself
    std::uint8_t lean_looks = 0;                                 ///< that found little, while it is polled
    int fd = -1;                                                 ///< -1: it listens, and the table of listeners owns it
    std::uint32_t flows = 0;                                     ///< that use it
    std::uint32_t groups = 0;                                    ///< of them, those to groups, whose members may answer
    std::uint32_t asking = 0;                                    ///< of them, those to our name service
    flow_id last;                                                ///< the flow of what came last
    arrival_rate rate;                                           ///< of what comes for the guest

    static constexpr std::uint16_t number_of_queries = 0xffff; ///< as the key's remote port; others count from zero
    [[nodiscard]] bool is_of_queries() const noexcept { return !listens && key.remote_port == number_of_queries; }
};
static_assert(sizeof(udp_port) <= 96);

struct udp_flow : flow_head {
    bool renamed = false;                   ///< the guest knows the peer's port by another number
    bool asks_names = false;                ///< it leads to our name service, in the clear
    bool passes_answers = false;            ///< and what it sends was not always kept, so answers may be for that
    std::uint32_t port = no_port;           ///< slot of its udp_port
    std::uint16_t largest_segment = 0xffff; ///< above, UDP_SEGMENT has failed
    path_mtu_notices too_big;
    os::addressing between; ///< the peer, and the address of ours that it called, if it called
    pseudo_connection life;
    flow_octets octets;

    static constexpr std::uint32_t no_port = 0xffffffff;
};
static_assert(sizeof(udp_flow) <= 128);

/// How many flows lead from a port to an address, under a key whose remote port is 0.
struct udp_permission {
    flow_key key;
    std::uint32_t flows = 0;
};

/// A socket on its way to another process, with the flows that use it.
struct given_udp {
    const migrate::udp_socket_state& state;
    int fd; ///< -1: it listens, and has moved with the listening sockets
    std::span<const migrate::udp_flow_state> flows;
    std::span<const migrate::query_state> queries; ///< of the first flow, then of the second, and so on
};
class udp_receiver {
public:
    virtual void receive(const given_udp& socket) noexcept = 0;

protected:
    ~udp_receiver() = default;
};

class udp_translator final : public flows_of<udp_flow, flow_kind::udp> {
public:
    static constexpr std::size_t most_flows = std::size_t{1} << flow_id::slot_bits;

    /// Reserves all memory; `capacity` is a power of two. Datagrams between the loopbacks go to `splice`.
    udp_translator(context& ctx, udp_splice& splice, std::size_t capacity, instant start);
    ~udp_translator() override;

    /// The other worker that has the socket from which a new flow must leave; nothing if there is none, or it is ours.
    [[nodiscard]] std::optional<unsigned> place_of(const flow_key& key) noexcept;

    /// Datagrams and USO super-frames of one flow, in order; at most os::most_messages.
    void from_guest(std::span<const guest_packet* const> run, instant now) noexcept;
    /// Readiness or errors of a port's socket.
    void from_socket(flow_id port, const os::event& e) noexcept;
    /// Likewise of a listening socket.
    void from_listener(const listener_name& name, const os::event& e) noexcept;
    /// The guest has no port for a datagram that it was sent: a peer's flow ends.
    void on_refused_by_guest(const flow_key& key, instant now) noexcept;

    void expire(instant now) noexcept override;
    [[nodiscard]] instant next_deadline() const noexcept override
    {
        const auto next = std::min(wheel_.next(), queries_.next_deadline());
        return polled_.empty() || !ctx_.tap.accepts_data() ? next : std::min(next, poll_at_);
    }
    /// Reads the sockets that are ready.
    void end_turn(instant now) noexcept override;
    [[nodiscard]] std::uint32_t port_count() const noexcept { return ports_.size(); }

    // udp_give.cpp
    /// Shows all sockets with their flows to who passes them on to another process. For a worker that stands still.
    void give(udp_receiver& to, instant now);
    /// Goes on with a socket of another process, and those of its flows that would lead from it to the same peers here. How many.
    std::size_t take(const given_udp& given, os::unique_fd fd, instant now) noexcept;

private:
    /// A message on its way to a socket: datagrams of equal treatment, of which more than one goes with UDP_SEGMENT.
    struct message {
        std::uint8_t first = 0, count = 0; ///< pieces
        octet ttl = 0, tos = 0;
        os::fragmentation fragments = os::fragmentation::allowed;
        segment_run run;
    };
    /// What one run of frames becomes.
    struct batch {
        std::array<bytes_view, os::most_messages> pieces;
        std::array<message, os::most_messages> messages;
        std::size_t piece_count = 0, message_count = 0;

        [[nodiscard]] std::span<const bytes_view> of(const message& m) const noexcept
        {
            return {pieces.data() + m.first, m.count};
        }
    };
    /// Datagrams on their way to the guest that may become one super-frame: their octets are contiguous.
    struct guest_run {
        flow_key key; ///< as the guest shall see it
        segment_run run;
        octet* payload = nullptr;
    };

    // udp_open.cpp
    void make_room(instant now) noexcept;
    [[nodiscard]] udp_flow* open(const flow_key& key, const outbound_opening& leads, const packet& p, instant now) noexcept;
    [[nodiscard]] udp_port* port_for(const flow_key& key, const endpoint& to, octet ttl, int& error) noexcept;
    [[nodiscard]] udp_port* listening_port_for(const flow_key& key, const endpoint& to) noexcept;
    [[nodiscard]] std::optional<listener_name> forwarded_to(const flow_key& key, const endpoint& to) const noexcept;
    [[nodiscard]] bool is_ambiguous(const udp_port& p, const flow_key& key, const endpoint& to) noexcept;
    void tell_of_failure(const flow_key& key, const packet& p, int error) noexcept;
    void refuse(const flow_key& key, drop_reason why, std::span<const guest_packet* const> run) noexcept;
    /// What an error about a datagram quotes.
    [[nodiscard]] static guest_error about(const packet& p) noexcept;
    [[nodiscard]] endpoint peer_of(const flow_key& key) const noexcept;

    [[nodiscard]] std::span<const guest_packet* const> let_pass(std::span<const guest_packet* const> run, instant now) noexcept;

    // udp_port.cpp
    [[nodiscard]] bool takes_query(const flow_key& key) const noexcept;
    [[nodiscard]] flow_key key_of_port(const flow_key& key, const ip_address& to, unsigned number = 0) const noexcept;
    [[nodiscard]] udp_port* make_port(const flow_key& key, const ip_address& to, octet ttl, int& error) noexcept;
    [[nodiscard]] udp_port* insert_port(const flow_key& key) noexcept;
    [[nodiscard]] os::result<void> make_socket(udp_port& p, const ip_address& to, octet ttl) noexcept;
    [[nodiscard]] bool replace_socket(udp_port& p, const ip_address& to) noexcept;
    [[nodiscard]] udp_port* listening_port(const listener_name& name) noexcept;
    [[nodiscard]] flow_key permission_of(const udp_port& p, const ip_address& to) const noexcept;
    [[nodiscard]] bool is_group(const ip_address& a) const noexcept;
    void join(udp_flow& f, udp_port& p, const os::addressing& between) noexcept;
    void leave(udp_flow& f) noexcept;
    void release_if_idle(udp_port& p) noexcept;
    [[nodiscard]] int descriptor_of(const udp_port& p) const noexcept;
    [[nodiscard]] os::token token_of(const udp_port& p) const noexcept;
    [[nodiscard]] udp_port& port_of(const udp_flow& f) noexcept { return *ports_.at_slot(f.port); }

    // udp_arrival.cpp
    [[nodiscard]] udp_flow* flow_of(udp_port& p, const os::incoming& in, instant now) noexcept;
    [[nodiscard]] bool is_between(const udp_flow& f, const udp_port& p, const os::incoming& in) const noexcept;
    [[nodiscard]] udp_flow* find_answered(const udp_port& p, const endpoint& peer) noexcept;
    [[nodiscard]] udp_flow* open_answer(udp_port& p, const os::incoming& in, instant now) noexcept;
    [[nodiscard]] udp_flow* find_or_open_inbound(udp_port& p, const os::incoming& in, instant now) noexcept;
    [[nodiscard]] std::optional<inbound> as_seen_by_guest(const listener_name& through, const endpoint& peer,
                                                          const ip_address& to) const noexcept;

    // udp_guest.cpp
    void gather(const udp_flow& f, const guest_packet& frame, batch& b) noexcept;
    struct flow_sender;
    void send(udp_flow& f, const batch& b, instant now) noexcept;
    void on_refused(const udp_flow& f, const os::outgoing& m, int error) noexcept;
    void on_too_big(udp_flow& f, const os::outgoing& m, instant now) noexcept;
    [[nodiscard]] guest_error about(const udp_flow& f, const os::outgoing& m) noexcept;
    void allow_fragments(udp_port& p, ip_family family, os::fragmentation fragments) noexcept;
    [[nodiscard]] octet own_ttl(const udp_flow& f) noexcept;
    [[nodiscard]] os::outgoing outgoing_of(const udp_flow& f, std::span<const bytes_view> pieces, const message& m) noexcept;

    // udp_socket.cpp
    void pump(udp_port& p, instant now) noexcept;
    [[nodiscard]] std::size_t take_all(udp_port& p, std::span<const os::incoming> got, guest_run& run, instant now) noexcept;
    [[nodiscard]] std::size_t take(udp_port& p, const os::incoming& in, std::size_t at, guest_run& run, instant now) noexcept;
    void flush(guest_run& run) noexcept;

    // udp_errors.cpp
    std::optional<std::uint32_t> relay_errors(udp_port& p) noexcept;
    [[nodiscard]] udp_flow* flow_to(udp_port& p, const endpoint& peer) noexcept;

    // udp_names.cpp
    struct query_sender;
    void take_queries(udp_flow& f, std::span<const guest_packet* const> run, instant now) noexcept;
    [[nodiscard]] bool ask(udp_flow& f, const wire::dns_message& m, bytes_view payload, const packet& p, instant now) noexcept;
    static void begin_round(name_query& q, const resolver_choice& choice) noexcept;
    void ask_next(udp_flow& f, name_query& q, instant now) noexcept;
    [[nodiscard]] static instant end_of(const name_query& q) noexcept;
    [[nodiscard]] bool send_query(udp_flow& f, name_query& q, const ip_address& resolver) noexcept;
    void fail_query(udp_flow& f, name_query& q) noexcept;
    void answer_failure(const flow_key& key, const wire::dns_message& query, bytes_view payload) noexcept;
    void refuse_queries(const flow_key& key, std::span<const guest_packet* const> run) noexcept;
    void go_on_with_queries(instant now) noexcept;
    [[nodiscard]] bool take_answers(udp_port& p, const os::incoming& in, bytes_span octets, instant now) noexcept;
    void take_answer(name_query& q, const ip_address& resolver, const wire::dns_message& answer, bytes_span datagram,
                     instant now) noexcept;
    [[nodiscard]] bool take_query_error(udp_port& p, const os::queued_error& entry, bytes_view quoted) noexcept;
    [[nodiscard]] udp_flow* find_passing(const udp_port& p, const endpoint& resolver) noexcept;
    [[nodiscard]] bool is_late(const udp_port& p, const endpoint& resolver) noexcept;

    // udp_poll.cpp
    void pace(udp_port& p, std::size_t datagrams, instant now) noexcept;
    void begin_polling(udp_port& p, instant now) noexcept;
    void forget_polled(udp_port& p) noexcept;
    void poll(instant now) noexcept;

    // udp_give.cpp
    [[nodiscard]] udp_port* take_port(const migrate::udp_socket_state& s, os::unique_fd fd, const ip_address& to) noexcept;
    [[nodiscard]] udp_flow* take_flow(const migrate::udp_flow_state& s, udp_port& p, instant now) noexcept;
    void take_query(const udp_flow& f, const migrate::query_state& s, instant now) noexcept;
    [[nodiscard]] bool leads_there(const migrate::udp_flow_state& s, const udp_port& p) const noexcept;

    // udp_translator.cpp
    void list_ready(udp_port& p) noexcept { ready_.add(ports_, p); }
    void arm(const udp_flow& f) noexcept;
    [[nodiscard]] instant expiry(const udp_flow& f) const noexcept;
    flow_alive close(udp_flow& f, end_reason why, instant now) noexcept override;
    void describe(const udp_flow& f, flow_view& view, instant now) const noexcept override;
    [[nodiscard]] std::optional<flow_octets> octets_of(const udp_flow& f) const noexcept override { return f.octets; }

    // `ready_` lists ports, whose sockets may have something.
    udp_splice& splice_;
    os::arena port_memory_, permission_memory_;
    flow_table<udp_port> ports_;
    flow_table<udp_permission> permissions_;
    std::uint32_t renamed_ = 0;                                    ///< flows
    fixed_vector<std::uint32_t, limits::udp_polled_flows> polled_; ///< slots of ports
    instant poll_at_{};                                            ///< when they are looked at
    datagram_buffers<os::most_received + 1> buffers_;              ///< the last holds a run while the others are received into
    batch batch_;                                                  ///< of from_guest
    std::array<os::outgoing, os::most_messages> out_;              ///< of send
    name_queries queries_;
    const plane_config* queries_asked_by_ = nullptr; ///< what go_on_with_queries() has seen last
    instant next_room_{};                            ///< before that make_room() does nothing
    octet default_ttl_;
};

} // namespace tapioca
