// UDP between the guest and sockets of the host.
//
// Each flow has a connected socket, bound to the guest's own port where that is possible, so that both ends see what they would
// see without a translator between them. Datagrams of equal size that follow each other travel as one in both directions: as a
// message with UDP_SEGMENT to the socket, with UDP_GRO from it, as a USO super-frame over the tap. The sockets are
// edge-triggered: one is read until it is empty, or put on a list when the turn's budget is spent. One whose datagrams come fast
// is looked at now and then instead.
//
// A flow that a peer began has a socket bound to the address and port that the peer sent to. Where the host refuses that (a
// privileged port, now that there are no privileges), the flow has none: answers leave through the listening socket, and the
// peer's datagrams keep coming there.
//
// udp_translator.cpp keeps flows and their time, udp_open.cpp begins those of the guest, udp_listener.cpp those of peers;
// udp_guest.cpp takes datagrams from the guest, udp_socket.cpp those from sockets, and udp_poll.cpp says when. RFC 768; RFC 4787
// for what applications expect of a translator; RFC 1191 and RFC 8201 for sizes.
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/os/batch_io.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/translate/context.hpp"
#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "proto/base/fixed_vector.hpp"
#include "proto/flow/table.hpp"
#include "proto/flow/timer_wheel.hpp"
#include "proto/udp/arrival_rate.hpp"
#include "proto/udp/pseudo_connection.hpp"
#include "proto/udp/segment_run.hpp"

#include <optional>

namespace tapioca {

class udp_splice;

struct udp_flow {
    flow_key key;
    bool ready_listed : 1 = false;
    bool settled : 1 = false;         ///< nothing from before the connect can be in the socket's queue any more
    bool fragments_known : 1 = false; ///< `fragments` is the socket's setting
    bool from_peer : 1 = false;
    bool polled : 1 = false;           ///< its datagrams do not wake us
    bool through_listener : 1 = false; ///< there is no socket: answers go `between` through the listening one
    listener_name through;             ///< the listening socket where a peer began the flow
    os::fragmentation fragments = os::fragmentation::allowed;
    octet ttl = 0;               ///< what the socket gives packets by itself
    std::uint8_t lean_looks = 0; ///< that found little, while it is polled
    int fd = -1;
    std::uint16_t largest_segment = 0xffff; ///< above, UDP_SEGMENT has failed
    path_mtu_notices too_big;
    os::addressing between;
    pseudo_connection life;
    arrival_rate rate; ///< of what comes for the guest
};
static_assert(sizeof(udp_flow) <= 128);

class udp_translator {
public:
    static constexpr std::size_t most_flows = std::size_t{1} << flow_id::slot_bits;

    /// Reserves all memory; `capacity` is a power of two.
    udp_translator(context& ctx, std::size_t capacity, instant start);
    ~udp_translator();
    udp_translator(const udp_translator&) = delete;
    udp_translator& operator=(const udp_translator&) = delete;

    /// Datagrams between the loopbacks go there.
    void splice_through(udp_splice& s) noexcept { splice_ = &s; }

    [[nodiscard]] bool owns(const flow_key& key) noexcept { return flows_.find(key) != nullptr; }

    /// Datagrams and USO super-frames of one flow, in order; at most os::most_messages.
    void from_guest(std::span<const guest_packet* const> run, instant now) noexcept;
    /// A datagram that came in fragments: its `l4` is whole.
    void from_reassembled(const packet& p, instant now) noexcept;
    /// Readiness or errors of a flow's socket.
    void from_socket(flow_id id, const os::event& e, instant now) noexcept;
    /// Datagrams for the guest that belong to no flow yet, or to one without a socket, at a listening socket.
    void from_listener(int fd, const listener_name& name, instant now) noexcept;
    /// The guest has no port for a datagram that it was sent: a peer's flow ends, and with it the socket.
    void on_refused_by_guest(const flow_key& key, instant now) noexcept;

    void expire(instant now) noexcept;
    [[nodiscard]] instant next_deadline() const noexcept
    {
        return polled_.empty() || !ctx_.tap.has_room() ? wheel_.next() : std::min(wheel_.next(), poll_at_);
    }
    /// Reads the sockets that are ready.
    void end_turn(instant now) noexcept;
    [[nodiscard]] bool has_ready() const noexcept { return ready_count_ != 0 && ctx_.tap.has_room(); }
    [[nodiscard]] std::uint32_t flow_count() const noexcept { return flows_.size(); }

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
        segment_run run;
        octet* payload = nullptr;
    };

    // udp_open.cpp
    [[nodiscard]] udp_flow* open(const flow_key& key, const packet& p, instant now) noexcept;
    [[nodiscard]] udp_flow* insert(const flow_key& key, instant now, flow_origin origin,
                                   const endpoint& accepted_at = {}) noexcept;
    [[nodiscard]] os::result<void> connect(udp_flow& f, const endpoint& local, const endpoint& to, octet ttl) noexcept;
    [[nodiscard]] os::result<void> bind(const udp_flow& f, const endpoint& local) noexcept;
    [[nodiscard]] endpoint peer_of(const flow_key& key) const noexcept;
    [[nodiscard]] unsigned scope_of(const ip_address& a) const noexcept;
    [[nodiscard]] os::result<void> bind_to_interface(const udp_flow& f, const ip_address& to) noexcept;
    void fail(udp_flow& f, int error, instant now) noexcept;

    // udp_listener.cpp
    [[nodiscard]] std::optional<inbound> as_seen_by_guest(const listener_name& through, const endpoint& peer,
                                                          const ip_address& to) const noexcept;
    [[nodiscard]] udp_flow* open_from_peer(const flow_key& key, const listener_name& through, const os::incoming& in,
                                           instant now) noexcept;
    void take_from_peer(const listener_name& through, const os::incoming& in, octet* payload, instant now) noexcept;
    void relay_listener_errors(int fd, const listener_name& through) noexcept;

    // udp_guest.cpp
    void gather(const udp_flow& f, const guest_packet& frame, batch& b) noexcept;
    void send(udp_flow& f, const batch& b, instant now) noexcept;
    void on_refused(udp_flow& f, std::span<const bytes_view> pieces, const message& m, int error, instant now) noexcept;
    void send_singly(udp_flow& f, std::span<const bytes_view> pieces, const message& m, instant now) noexcept;
    void on_too_big(udp_flow& f, bytes_view payload, const message& m, instant now) noexcept;
    void allow_fragments(udp_flow& f, os::fragmentation fragments) noexcept;
    [[nodiscard]] int socket_of(const udp_flow& f) const noexcept;
    [[nodiscard]] os::outgoing outgoing_of(const udp_flow& f, std::span<const bytes_view> pieces,
                                           const message& m) const noexcept;

    // udp_socket.cpp
    void pump(udp_flow& f, instant now) noexcept;
    [[nodiscard]] os::result<std::size_t> receive(const udp_flow& f, std::size_t buffers) noexcept;
    std::size_t take(udp_flow& f, std::size_t at, const os::incoming& in, guest_run& run, instant now) noexcept;
    void flush(const udp_flow& f, guest_run& run) noexcept;
    [[nodiscard]] bytes_span room(std::size_t i) const noexcept;

    // udp_poll.cpp
    void pace(udp_flow& f, std::size_t datagrams, instant now) noexcept;
    void begin_polling(udp_flow& f, instant now) noexcept;
    void forget_polled(udp_flow& f) noexcept;
    void poll(instant now) noexcept;

    // udp_translator.cpp
    [[nodiscard]] os::token token_of(const udp_flow& f) const noexcept
    {
        return tapioca::token_of(source::udp_flow, flows_.id_of(f).value);
    }
    void list_ready(udp_flow& f) noexcept;
    void arm(const udp_flow& f) noexcept;
    [[nodiscard]] instant expiry(const udp_flow& f) const noexcept;
    void close(udp_flow& f, instant now) noexcept;

    /// Buffers that datagrams are received into, and one more that holds a run while the others are read into again.
    static constexpr std::size_t rooms = os::most_received + 1;

    context& ctx_;
    udp_splice* splice_ = nullptr; ///< null: nothing is spliced
    os::arena flow_memory_, timer_memory_, list_memory_, room_memory_;
    flow_table<udp_flow> flows_;
    timer_wheel wheel_;
    std::span<std::uint32_t> ready_; ///< slots; each flow stands in it at most once
    std::size_t ready_count_ = 0;
    fixed_vector<std::uint32_t, limits::udp_polled_flows> polled_; ///< slots
    instant poll_at_{};                                            ///< when they are looked at
    std::array<std::uint8_t, rooms> room_order_;                   ///< the last is not read into
    std::array<os::incoming, os::most_received> got_;
    batch batch_;                                     ///< of from_guest
    std::array<os::outgoing, os::most_messages> out_; ///< of send
    udp_timeouts timeouts_;
    octet default_ttl_;
};

} // namespace tapioca
