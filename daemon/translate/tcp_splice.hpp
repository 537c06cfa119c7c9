// TCP between the loopback interface of the host and the guest's namespace, from socket to socket: the tap is not involved.
//
// A connection is two sockets, which the kernels' own TCP serves; what is left to do is to move octets, ends and resets from one
// to the other. Little data is received into the worker's buffer and sent, two system calls and no pipe. Where a read fills the
// buffer, octets move through a borrowed pipe by splice(2) until they come in small portions again. What a socket does not take
// waits in a pipe, and where no pipe can be had, in the socket it came from: it is peeked, sent, and discarded as far as it was
// sent. So nothing is ever read that there is no place for.
//
// Sockets are registered edge-triggered: `readable` and `writable` say what may still be possible, and only a system call that
// finds it is not, or a short one, clears them. Only then events are asked to tell of room again, so that most connections never
// hear of it. The two directions do not know of each other, so neither waits for the other.
//
// On loopback a connection stands when connect(2) returns, though that says otherwise: what the client has sent is passed on at
// once, and if that was too early after all, it waits as for any other room. It is read before the connection is made, because
// then it can carry the end of the handshake: a segment less, and a server that is woken once.
//
// Where nobody listens at one address of `localhost` the other family's is tried before the client is reset: what it has said
// meanwhile waits in a pipe.
//
// An end of a stream is passed on behind its data. A reset, or any error, ends the direction towards that side; what it sent
// before goes on to the other side, which is reset when it has acknowledged that, or takes nothing for half a minute. There is no
// idle timeout, the kernels' own rules apply. Octets that wait for a socket without any event for a second are tried again: a
// kernel that is short of memory may have refused them with nothing to wake us afterwards.
//
// tcp_splice.cpp opens and closes connections, tcp_splice_move.cpp moves octets.
#pragma once

#include "daemon/os/socket.hpp"
#include "daemon/translate/flow_set.hpp"
#include "daemon/translate/limits.hpp"
#include "daemon/translate/pipe_pool.hpp"

#include <optional>

namespace tapioca {

/// One socket of a spliced connection, and what was read from it but not yet sent to the other.
struct tcp_splice_end {
    int fd = -1;
    std::uint32_t held = 0;        ///< octets in the pipe
    std::uint32_t moved = 0;       ///< milliseconds of the clock when octets were last taken from here to the other
    pipe_pool::handle pipe = 0;    ///< borrowed
    bool readable : 1 = false;     ///< a read may yield something
    bool writable : 1 = true;      ///< a send may take something
    bool room_watched : 1 = false; ///< events tell when it may again
    bool connected : 1 = false;    ///< known to be
    bool peer_closed : 1 = false;  ///< the end of the stream is in the queue or was read
    bool urgent : 1 = false;       ///< reads stop in front of urgent data, and splice(2) never gets past it
    bool bulk : 1 = false;         ///< the last read filled the buffer
    bool ended : 1 = false;        ///< the end of the stream was read
    bool passed_on : 1 = false;    ///< and told to the other side
    bool failed : 1 = false;       ///< the connection has ended in an error: what came before can still be read, up to `ended`

    [[nodiscard]] bool has_something() const noexcept { return held != 0 || (ended ? !passed_on : readable); }
    void note_failure() noexcept
    {
        failed = true;
        readable = !ended;
    }
};

struct tcp_splice_flow : flow_head {
    bool ending : 1 = false;       ///< a side has failed
    bool second_try : 1 = false;   ///< nobody listened on the one address of `localhost`, this is the other
    bool ready_listed : 1 = false; ///< in the list of flows with something to do
    bool retried : 1 = false;      ///< octets are tried again without an event
    std::uint8_t patience = 0;     ///< times that octets were tried again in vain
    std::uint32_t unsent = 0;      ///< octets that the reset of the other side waits for
    std::array<tcp_splice_end, 2> ends;
};
static_assert(sizeof(tcp_splice_flow) <= 96);

class tcp_splice final : public flows_of<tcp_splice_flow, flow_kind::tcp_splice> {
public:
    static constexpr std::size_t most_flows = std::size_t{1} << flow_id::slot_bits;
    static constexpr std::size_t most_waiting = 4096;
    static constexpr duration socket_patience = std::chrono::seconds{1};

    /// Reserves all memory. `large_pipes`: how many pipes of the process' large ones are ours.
    tcp_splice(context& ctx, std::size_t capacity, std::size_t large_pipes, instant start);
    ~tcp_splice() override;

    /// A connection that is to lead to a server of the other side.
    void from_listener(os::accepted connection, const listener_name& through, const outbound_opening& leads,
                       instant now) noexcept;
    /// `side`: 0 for the host's socket, 1 for the guest's.
    void from_socket(unsigned side, flow_id id, const os::event& e, instant now) noexcept;
    /// The namespace's sockets may have been replenished.
    void sockets_refilled(instant now) noexcept;

    void expire(instant now) noexcept override;
    [[nodiscard]] instant next_deadline() const noexcept override;
    void end_turn(instant now) noexcept override;
    [[nodiscard]] bool has_ready() const noexcept override { return !ready_.empty(); }
    // drain.cpp
    /// Whether octets that one side has sent are not with the other side's socket yet.
    [[nodiscard]] bool is_owing() noexcept;
    /// For the end of the process: closes all sockets, and resets whoever lacks the end of a stream. How many connections.
    std::uint32_t reset_incomplete() noexcept;
    [[nodiscard]] const pipe_pool& pipes() const noexcept { return pipes_; }

private:
    enum class progress : std::uint8_t { waits, blocked, ready, over };
    struct waiting_flow {
        flow_id id;
        instant until;
    };

    // tcp_splice.cpp
    [[nodiscard]] tcp_splice_flow* open(os::accepted& connection, unsigned side, std::uint16_t rule,
                                        const outbound_opening& leads, instant now) noexcept;
    flow_alive reach_server(tcp_splice_flow& f, instant now) noexcept;
    [[nodiscard]] os::unique_fd take_socket(const tcp_splice_flow& f, instant now) noexcept;
    flow_alive wait_for_socket(tcp_splice_flow& f, instant now) noexcept;
    flow_alive connect(tcp_splice_flow& f, os::unique_fd socket, instant now) noexcept;
    [[nodiscard]] static std::optional<int> why_refused(const tcp_splice_end& end, const os::event& e) noexcept;
    [[nodiscard]] bool turn_to_other_family(tcp_splice_flow& f) noexcept;
    flow_alive fail_to_connect(tcp_splice_flow& f, int error, instant now) noexcept;
    [[nodiscard]] os::token token_of(const tcp_splice_flow& f, unsigned side) const noexcept;
    [[nodiscard]] os::result<void> watch(tcp_splice_flow& f, unsigned side) noexcept;
    void try_again(tcp_splice_flow& f, instant now) noexcept;
    flow_alive abort(tcp_splice_flow& f, end_reason why, instant now) noexcept override;
    flow_alive close(tcp_splice_flow& f, end_reason why, instant now) noexcept override;
    void describe(const tcp_splice_flow& f, flow_view& view, instant now) const noexcept override;
    [[nodiscard]] std::optional<flow_octets> octets_of(const tcp_splice_flow& f) const noexcept override;
    /// What it means that the end of one side has failed.
    [[nodiscard]] static end_reason reset_by(unsigned side) noexcept
    {
        return side == 0 ? end_reason::reset_by_peer : end_reason::reset_by_guest;
    }

    // tcp_splice_move.cpp
    flow_alive move(tcp_splice_flow& f, instant now) noexcept;
    flow_alive go_on_without(unsigned side, tcp_splice_flow& f, instant now) noexcept;
    [[nodiscard]] progress move(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept;
    [[nodiscard]] progress pass_end(tcp_splice_end& from, tcp_splice_end& to) noexcept;
    void drain(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept;
    void read(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept;
    void splice_in(tcp_splice_end& from) noexcept;
    [[nodiscard]] os::result<std::size_t> read_ahead(tcp_splice_end& from) noexcept;
    void copy(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept;
    void copy_in_place(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept;
    [[nodiscard]] bool keep(tcp_splice_end& from, bytes_view octets) noexcept;
    void return_pipe(tcp_splice_end& end) noexcept;
    [[nodiscard]] bool again_or_note_failure(const boost::system::error_code& e) noexcept;
    void note_unread(tcp_splice_end& from, const boost::system::error_code& e) noexcept;
    void note_unsent(tcp_splice_end& to, const boost::system::error_code& e) noexcept;
    [[nodiscard]] static std::uint32_t milliseconds(instant t) noexcept
    {
        return static_cast<std::uint32_t>(std::chrono::floor<std::chrono::milliseconds>(t.time_since_epoch()).count());
    }
    [[nodiscard]] static duration patience_of(const tcp_splice_flow& f) noexcept
    {
        return limits::tcp_watchdog * (1 << f.patience);
    }
    void wait_for_room(tcp_splice_flow& f, unsigned side, instant now) noexcept;

    // `wheel_` has flows whose octets wait.
    os::arena waiting_memory_;
    std::span<waiting_flow> waiting_; ///< a ring, oldest first
    std::size_t waiting_first_ = 0, waiting_count_ = 0;
    pipe_pool pipes_;
    int failure_ = 0;            ///< errno of the call that failed last
    std::size_t read_ahead_ = 0; ///< octets in the buffer that were received before there was a connection to send them on
    std::array<octet, 65536> buffer_;
};

} // namespace tapioca
