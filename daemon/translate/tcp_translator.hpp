// TCP between the guest and sockets of the host.
//
// Each flow is a tcp::connection (the protocol, pure), a socket, and a queue in the receive store. The translator gives segments
// and socket events to the connection and carries out its effects in a fixed order. Towards the guest: peek into the tap's slot,
// stamp headers in front, write; what the guest acknowledges is discarded from the socket. From the guest: consecutive segments
// of a flow become one sendmsg; what the socket does not take waits in the store and closes the window. ACKs go out at the end of
// a turn, unless data carried them before. Where the kernel does not remember how far a socket was peeked, what the guest has not
// acknowledged is kept in our own store.
//
// tcp_translator.cpp carries out effects, tcp_open.cpp begins and refuses connections, tcp_names.cpp finds those to our name
// service a resolver, tcp_guest.cpp takes segments, tcp_socket.cpp moves data from sockets and reacts to their events,
// tcp_peer_octets.cpp keeps them until they are acknowledged, tcp_path.cpp adapts to narrow paths behind the guest,
// tcp_egress.cpp keeps to the rate of the egress policy, and holds what the guest says until its server name is known.
#pragma once

#include "daemon/os/socket.hpp"
#include "daemon/translate/flow_set.hpp"
#include "daemon/translate/name_connects.hpp"
#include "proto/flow/slot_list.hpp"
#include "proto/icmp/unreachable.hpp"
#include "proto/migrate/records.hpp"
#include "proto/migrate/tcp_flow_state.hpp"
#include "proto/tcp/connection.hpp"
#include "proto/tcp/receive_store.hpp"
#include "proto/tcp/send_store.hpp"
#include "proto/wire/tcp.hpp"

#include <vector>

namespace tapioca {

/// A moment in whole seconds of the clock. It comes round in 194 days.
class second_mark {
public:
    void set(instant now) noexcept
    {
        const auto s = seconds(now);
        octets_ = {static_cast<octet>(s), static_cast<octet>(s >> 8), static_cast<octet>(s >> 16)};
    }
    /// Seconds that have passed since then.
    [[nodiscard]] std::uint32_t until(instant now) const noexcept
    {
        return (seconds(now) - (octets_[0] | std::uint32_t{octets_[1]} << 8 | std::uint32_t{octets_[2]} << 16)) & 0xffffff;
    }

private:
    [[nodiscard]] static std::uint32_t seconds(instant t) noexcept
    {
        return static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count());
    }

    // No bit-field: it would share its word with the flags beside it, and reading that right after a flag was written stalls.
    std::array<octet, 3> octets_{};
};

struct tcp_flow : flow_head {
    int fd = -1;
    tcp::receive_store::queue store;
    slot_list::place connecting = 0; ///< in the list of those that the host has not answered; 0: not
    std::uint16_t keep_idle = 0;     ///< seconds of silence after which the host's kernel asks the peer; 0: it does not
    second_mark heard;               ///< when the guest last sent anything
    bool ack_listed : 1 = false;     ///< in the list of ACKs due at the end of the turn
    bool ack_may_wait : 1 = false;   ///< for a look at what the host says to so little
    bool ready_listed : 1 = false;   ///< in the list of sockets that have more for the guest
    bool readable : 1 = false;       ///< the socket may have data or an end that was not peeked yet
    bool peer_closed : 1 = false;    ///< the end of the peer's stream is in the socket
    bool shutdown_due : 1 = false;   ///< the guest's FIN waits behind the store
    bool lingering : 1 = false;      ///< the connection is over, but not all of the guest's octets have been sent
    bool aborted : 1 = false;        ///< by the guest: a reset follows what the peer is still to have
    second_mark moved;               ///< when data last moved, or the guest asked for a sign of life
    bool error_queue : 1 = false;    ///< IP_RECVERR is set
    bool peek_offset : 1 = false;    ///< what is in flight stays in the socket (SO_PEEK_OFF), not in our store
    bool keeps_place : 1 = false;    ///< the offset is set: the socket knows what is in flight
    bool broken : 1 = false;         ///< the socket's connection has ended in an error: a reset follows what is left to read
    bool unanswered : 1 = false;     ///< a peer's: the guest has not answered our SYN, and the rule counts it
    bool small : 1 = false;          ///< it is not likely to carry much
    bool strayed : 1 = false;        ///< the guest last spoke of it at another worker
    bool urgent : 1 = false;         ///< the peer sends urgent data: a short read does not mean that there is no more
    tcp::connection c;
};
// The slot, the index and the timer: all that is resident of an idle flow.
static_assert(sizeof(tcp_flow) <= 160 && flow_table<tcp_flow>::octets_of_flow + sizeof(timer_wheel::node) <= 188);

/// What keeps a worker's connections from ending.
struct leftovers {
    bool octets = false; ///< acknowledged to the guest, and not with the socket yet
    bool open = false;   ///< a connection that the guest has not ended
};

/// A connection that goes to another host with its guest.
struct departing_flow {
    flow_id id;
    int fd = -1;
    migrate::flow_record record;
};
/// One that has come with it, or whose socket could not be made.
struct arriving_flow {
    migrate::flow_record record;
    os::unique_fd fd;               ///< none: the guest is to get a reset
    bool accepted = false;          ///< the socket is one of a listener's kind, for both families
    std::vector<octet> left_behind; ///< of the guest: the socket has not taken it yet
    bool finishes = false;          ///< the guest's FIN follows
};

/// That one end of a connection has lost.
struct lost_addresses {
    std::span<const ip_address> of_host, of_guest;
};

/// A connection on its way to another process, with what waits in our stores.
struct given_tcp {
    const migrate::tcp_flow_state& state;
    int fd;
    std::span<const bytes_view> to_socket, to_guest;
};
class tcp_receiver {
public:
    virtual void receive(const given_tcp& flow) noexcept = 0;

protected:
    ~tcp_receiver() = default;
};

class tcp_translator final : public flows_of<tcp_flow, flow_kind::tcp> {
public:
    static constexpr std::size_t most_flows = std::size_t{1} << flow_id::slot_bits;
    static constexpr std::size_t store_octets = std::size_t{64} << 20;
    static_assert(store_octets / tcp::receive_store::chunk_octets <= tcp::receive_store::most_chunks);
    static constexpr std::uint32_t largest_window = 1U << 20;
    static constexpr octet usual_ttl = 64; ///< what systems send by default: not worth a system call

    /// Reserves all memory; `capacity` is a power of two, `pool` a multiple of the store's chunks.
    tcp_translator(context& ctx, std::size_t capacity, instant start, std::size_t pool = store_octets);
    ~tcp_translator() override;

    /// Segments of one flow that follow each other in a batch. At most tap_queue::most_frames.
    void from_guest(std::span<const guest_packet* const> run, instant now) noexcept;
    /// An ICMP error of the guest.
    void from_guest(const unreachable_segment& refused, instant now) noexcept;
    /// Whether a segment with that number was sent and is not acknowledged.
    [[nodiscard]] bool is_on_its_way(const flow_key& key, seq_number seq) noexcept;
    /// The path to the guest's end has turned out to be narrow: what did not get through is sent again.
    void on_narrow_path(const flow_key& key, instant now) noexcept;
    /// An ICMP error of the kernel, readiness, or a failure of the flow's socket.
    void from_socket(flow_id id, const os::event& e, instant now) noexcept;
    /// A connection that the listener accepted for the guest, which sees it so.
    void from_peer(os::accepted connection, const listener_name& through, const inbound& seen, instant now) noexcept;

    void expire(instant now) noexcept override;
    [[nodiscard]] instant next_deadline() const noexcept override
    {
        const auto next = std::min(wheel_.next(), asked_.next_deadline());
        return ready_.empty() || paced_until_ == instant{} ? next : std::min(next, paced_until_);
    }
    /// Moves on what the budget left over, then sends the ACKs that are still due. Those that may wait stay for the next turn,
    /// which must not sleep.
    void end_turn(instant now) noexcept override;
    [[nodiscard]] bool has_ready() const noexcept override
    {
        const bool ready = !ready_.empty() && paced_until_ == instant{};
        return ack_count_ > acks_held_ || ((acks_held_ != 0 || ready) && ctx_.tap.accepts_data());
    }
    /// Small connections do not need a worker of their own, even if they are many.
    [[nodiscard]] std::uint32_t weight() const noexcept override { return flows_.size() - small_count_; }
    /// Those whose peer has not ended them.
    [[nodiscard]] std::uint32_t live_count() const noexcept { return flows_.size() - ended_by_peer_; }
    [[nodiscard]] const tcp::receive_store& store() const noexcept { return store_; }
    [[nodiscard]] const tcp::send_store& sent() const noexcept { return sent_; }

    // tcp_move.cpp
    /// The guest has spoken of a connection at another worker: if it does so again, that is where the connection goes.
    void note_stray(const flow_key& key) noexcept;
    void follow(const flow_key& key, unsigned to, instant now) noexcept;
    /// A connection that another worker had.
    void arrive(const tcp_flow& from, const flow_birth& birth, instant now) noexcept;

    // tcp_give.cpp
    /// Shows all connections that another process can go on with, and changes none.
    void give(tcp_receiver& to, instant now) noexcept;
    /// A connection that another process had, with its octets. False, and the socket stays the caller's, if there is no room.
    [[nodiscard]] bool take(const given_tcp& given, instant now) noexcept;
    // tcp_migrate.cpp
    /// For the control plane, while the plane is frozen: all that can go elsewhere, and the octets of one that are neither with
    /// the guest nor in the socket. They allocate.
    [[nodiscard]] std::vector<departing_flow> departing();
    void add_stored(flow_id id, std::vector<octet>& for_peer);
    void add_unacknowledged(flow_id id, std::vector<octet>& for_guest);
    /// Goes on: whatever the sockets had to say meanwhile they are asked for.
    void thaw(instant now) noexcept;
    /// Connections that are not complete yet do not go with the guest, and end with a reset.
    void end_handshakes(instant now) noexcept;
    /// All that could go elsewhere has gone: closing sockets in repair mode is silent.
    void leave(instant now) noexcept;
    /// A connection that has come with its guest. False: there is no room for it.
    [[nodiscard]] bool settle(arriving_flow& from, instant now) noexcept;
    /// One that could not come.
    void refuse_arrival(const migrate::flow_record& record) noexcept;

    // drain.cpp
    /// A guest that is not there any more will not end what it has not ended.
    [[nodiscard]] leftovers left_over(bool guest_is_there) noexcept;
    /// For the end of the process: resets what is not complete. How many.
    std::uint32_t reset_incomplete() noexcept;
    /// See plane::end_stranded.
    std::uint32_t end_stranded(std::uint32_t from, std::uint32_t most, const lost_addresses& lost, instant now) noexcept;

private:
    /// A run on its way to the socket.
    struct delivery {
        std::array<bytes_view, os::most_pieces> pieces;
        std::size_t count = 0;
        std::size_t octets = 0;
    };

    [[nodiscard]] bool can_move(const tcp_flow& f) const noexcept;
    [[nodiscard]] static bool can_depart(const tcp_flow& f) noexcept;

    // tcp_open.cpp
    [[nodiscard]] tcp_flow* insert(const flow_head& head, const outbound_opening& leads, instant now,
                                   const endpoint& accepted_at = {}) noexcept;
    void wait_for_host(tcp_flow& f, instant now) noexcept;
    void stop_waiting_for_host(tcp_flow& f) noexcept;
    void open(const packet& p, const wire::tcp_segment& s, instant now) noexcept;
    [[nodiscard]] os::result<os::connect_progress> connect(tcp_flow& f, const endpoint& to, octet ttl) noexcept;
    flow_alive refuse(tcp_flow& f, int error, instant now) noexcept;
    void report_to_guest(const tcp_flow& f, int error) noexcept;
    void answer_stray(const packet& p, const wire::tcp_segment& s) noexcept;
    void reset_stray(const packet& p, const wire::tcp_segment& s) noexcept;
    [[nodiscard]] bool relay_error_queue(tcp_flow& f) noexcept;
    flow_alive finish_connect(tcp_flow& f, instant now) noexcept;
    [[nodiscard]] seq_number initial_sequence(const flow_key& key, instant now) const noexcept;
    [[nodiscard]] std::uint16_t largest_mss(ip_family family) const noexcept;

    // tcp_names.cpp
    void note_resolver(const tcp_flow& f, const ip_address& resolver, instant now) noexcept;
    [[nodiscard]] std::optional<flow_alive> ask_next_resolver(tcp_flow& f, int& error, instant now) noexcept;
    void note_resolver_failure(const tcp_flow& f, name_connect& asked, int error, instant now) noexcept;
    void note_resolver_connected(const tcp_flow& f, instant now) noexcept;
    void go_on_with_resolvers(instant now) noexcept;
    [[nodiscard]] ip_address peer_of(const tcp_flow& f) noexcept;

    // tcp_guest.cpp
    void take_segment(tcp_flow& f, const wire::tcp_segment& s, delivery& d, tcp::outcome& all, instant now) noexcept;
    void take_part(tcp_flow& f, const tcp::segment& s, const wire::tcp_segment& octets, delivery& d, tcp::outcome& all,
                   instant now) noexcept;
    void deliver_or_keep(tcp_flow& f, const tcp::outcome& out, const scattered_view& octets, delivery& d) noexcept;
    void deliver(tcp_flow& f, delivery& d, instant now) noexcept;
    void store(tcp_flow& f, bytes_view octets, std::size_t& lost, std::size_t& there) noexcept;
    void grow_window(tcp_flow& f, std::size_t octets) noexcept;
    flow_alive end_run(tcp_flow& f, delivery& d, const tcp::outcome& all, instant now) noexcept;
    [[nodiscard]] bool make_way(tcp_flow& f) noexcept;

    // tcp_socket.cpp
    flow_alive pump(tcp_flow& f, std::ptrdiff_t& budget, instant now) noexcept;
    [[nodiscard]] std::size_t sendable(const tcp_flow& f) const noexcept;
    [[nodiscard]] std::size_t room_for(tcp_flow& f, std::size_t most) noexcept;
    flow_alive on_full_window(tcp_flow& f, instant now) noexcept;
    void send_data(tcp_flow& f, std::size_t octets, instant now) noexcept;
    void send_stored(tcp_flow& f, instant now) noexcept;
    void offer_window(tcp_flow& f) noexcept;
    flow_alive drain(tcp_flow& f, instant now) noexcept;
    void note_failure(tcp_flow& f) noexcept;
    [[nodiscard]] static bool has_unread(const tcp_flow& f) noexcept;
    flow_alive fail(tcp_flow& f, instant now) noexcept;
    void on_answered(tcp_flow& f) noexcept;
    void note_end(tcp_flow& f) noexcept;
    flow_alive on_connect_event(tcp_flow& f, const os::event& e, instant now) noexcept;

    // tcp_peer_octets.cpp
    void choose_keeper(tcp_flow& f, bool accepted) noexcept;
    [[nodiscard]] std::uint32_t to_repeat(const tcp_flow& f) const noexcept;
    [[nodiscard]] std::size_t keepable(const tcp_flow& f) const noexcept;
    [[nodiscard]] os::result<std::size_t> read_next(tcp_flow& f, std::size_t most) noexcept;
    bool commit(const tcp_flow& f, const wire::virtio_net_header& vnet, std::size_t headers, std::size_t octets) noexcept;
    [[nodiscard]] bool keep_place(tcp_flow& f) noexcept;
    [[nodiscard]] bool forget_acknowledged(tcp_flow& f, std::uint32_t octets) noexcept;
    void rewind(tcp_flow& f) noexcept;

    // tcp_egress.cpp
    void run_metered(instant now) noexcept;
    flow_alive pump_metered(tcp_flow& f, instant now) noexcept;
    void hold_for_server_name(tcp_flow& f, const outbound_opening& opening) noexcept;
    [[nodiscard]] bool may_go_on(tcp_flow& f, instant now) noexcept;
    [[nodiscard]] bool passes_unnamed(const tcp_flow& f, const endpoint& to, const char* why, instant now) noexcept;

    // tcp_path.cpp
    [[nodiscard]] std::uint16_t mss_of_path(const tcp_flow& f) const noexcept;
    [[nodiscard]] std::optional<std::uint16_t> identification(const tcp_flow& f, std::size_t octets) noexcept;

    // tcp_translator.cpp
    /// `why`: what ends the flow, if it ends and its two ends have not brought that about.
    flow_alive apply(tcp_flow& f, const tcp::outcome& out, instant now, std::optional<end_reason> why = {}) noexcept;
    [[nodiscard]] bool lingers(tcp_flow& f, tcp::effects what) noexcept;
    [[nodiscard]] static bool is_delivered(const tcp_flow& f) noexcept;
    void tell_guest(tcp_flow& f, const tcp::outcome& out) noexcept;
    /// False if the back-end refused it: as if the link had lost it.
    bool send_control(tcp_flow& f, octet flags, seq_number seq) noexcept;
    void send_reset(tcp_flow& f) noexcept;
    void send_syn(tcp_flow& f, octet flags) noexcept;
    void list_ack(tcp_flow& f) noexcept;
    void send_acks() noexcept;
    void arm(tcp_flow& f, instant now) noexcept;
    flow_alive on_timer(tcp_flow& f, instant now) noexcept;
    [[nodiscard]] bool has_ended(const tcp_flow& f, instant now) const noexcept;
    void keep_alive(tcp_flow& f, instant now) noexcept;
    flow_alive quarantine(tcp_flow& f, instant now) noexcept;
    [[nodiscard]] static end_reason reason_of(const tcp_flow& f) noexcept;
    flow_alive close(tcp_flow& f, end_reason why, instant now) noexcept override;
    void describe(const tcp_flow& f, flow_view& view, instant now) const noexcept override;
    [[nodiscard]] std::optional<flow_octets> octets_of(const tcp_flow& f) const noexcept override;
    flow_alive abort(tcp_flow& f, end_reason why, instant now) noexcept override;
    /// The port of the side that accepted the connection.
    [[nodiscard]] static std::uint16_t service_port(const tcp_flow& f) noexcept
    {
        return f.from_peer() ? f.key.guest_port : f.key.remote_port;
    }
    os::arena chunk_memory_, chunk_links_, range_memory_, ack_memory_, connecting_memory_;
    os::arena sent_memory_, sent_links_, sent_queues_, sent_of_slot_; ///< empty if the kernel keeps that
    tcp::receive_store store_;
    tcp::send_store sent_;
    std::span<const bytes_span> body_; ///< of the frame that is being made, in the back-end's memory
    std::span<std::uint32_t> acks_;    ///< slots
    std::size_t ack_count_ = 0;
    std::size_t acks_held_ = 0; ///< of these, refused for want of room
    std::uint32_t ended_by_peer_ = 0, small_count_ = 0;
    instant paced_until_{}; ///< what is ready waits until then for the rate of the egress policy; else the beginning of time
    name_connects asked_;
    slot_list connecting_;                                              ///< the guest's, which the host has not answered
    std::array<std::uint32_t, forward_rules::capacity()> unanswered_{}; ///< of each rule, flows that the guest has not answered
};

} // namespace tapioca
