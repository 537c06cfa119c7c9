// A kernel in memory: stream sockets with a peer behind each, datagram sockets, readiness, and a clock that stands still until it
// is moved.
//
// memory_kernel_os.cpp defines the functions of daemon/os over the kernel that exists at the moment; a program that links it runs
// the translators without a system call. What matters to them is as on Linux: peek offsets that move back when octets are
// discarded, errors that are reported once, to whoever asks first, readiness to send that is news only after a send fell short
// (tcp(7), epoll(7)).
#pragma once

#include "daemon/os/batch_io.hpp"
#include "daemon/os/poller.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/os/tcp_figures.hpp"
#include "proto/base/bytes.hpp"

#include <deque>
#include <functional>
#include <random>
#include <vector>

namespace tapioca::test {

/// Octets that come and go in order.
class octet_queue {
public:
    void push(bytes_view octets);
    void pop(std::size_t count);
    void clear() { pop(size()); }
    [[nodiscard]] bytes_view view() const { return bytes_view{octets_}.subspan(front_); }
    [[nodiscard]] std::size_t size() const { return octets_.size() - front_; }
    [[nodiscard]] bool empty() const { return size() == 0; }

private:
    std::vector<octet> octets_;
    std::size_t front_ = 0;
};

/// What arrived at a datagram socket: one datagram, or several of `segment` octets and a last one that may be shorter.
struct memory_datagram {
    endpoint source;
    ip_address destination; ///< unspecified: the socket's own
    std::vector<octet> octets;
    std::uint16_t segment = 0;
};

struct memory_socket {
    enum class stage : std::uint8_t { fresh, connecting, connected, over };

    int fd = -1;
    stage at = stage::fresh;
    endpoint local, remote;
    octet ttl = 64;

    octet_queue received; ///< from the peer, not discarded yet
    octet_queue sending;  ///< to the peer, not taken yet
    std::size_t receive_limit = 4 << 20, send_limit = 256 << 10;
    std::size_t urgent_at = SIZE_MAX; ///< where reads stop, in `received`; SIZE_MAX: nowhere
    std::size_t peek_offset = 0;
    bool peeks_from_offset = false;
    /// What one read from `from` on can see: it stops in front of urgent data.
    [[nodiscard]] bytes_view visible(std::size_t from) const;
    int error = 0; ///< SO_ERROR
    std::deque<os::queued_error> error_queue;
    bool datagrams = false; ///< UDP or echo
    std::deque<memory_datagram> arrived;

    bool peer_finished = false;
    bool write_shut = false;
    bool resets_on_close = false;
    bool keeps_alive = false;
    int keep_idle = 0, keep_interval = 0; ///< in seconds; 0: as usual
    bool receives_errors = false;         ///< IP_RECVERR
    bool out_of_space = false;            ///< a send fell short: room is news
    bool closed = false;                  ///< by the program
    bool reset_sent = false;              ///< the peer saw a reset

    const os::poller* watcher = nullptr;
    os::token token;
    bool edge = false;
    bool news = false;
    bool muted = false; ///< only errors are told

    [[nodiscard]] std::size_t send_room() const { return send_limit > sending.size() ? send_limit - sending.size() : 0; }
    [[nodiscard]] os::event readiness() const;
    /// What the peer sees behind the last octet: the end of the stream.
    [[nodiscard]] bool end_visible() const { return sending.empty() && !reset_sent && (write_shut || closed); }
};

class memory_kernel {
public:
    memory_kernel();
    ~memory_kernel();
    memory_kernel(const memory_kernel&) = delete;
    memory_kernel& operator=(const memory_kernel&) = delete;

    /// The one that exists; there is at most one.
    [[nodiscard]] static memory_kernel& now_running();
    [[nodiscard]] static bool is_running();

    instant clock{std::chrono::hours{1}};
    bool has_peek_offset = true;
    bool has_udp = false;
    bool has_ping = false;
    int socket_fails = 0; ///< errno of the next calls that make a socket; 0: they succeed
    int watch_fails = 0;  ///< likewise for adding to a poller
    int bind_fails = 0;   ///< likewise for binding to an address
    int send_fails = 0;   ///< errno of the next `send_failures` datagrams that are sent
    int send_failures = 0;
    /// What becomes of a connect: 0, EINPROGRESS, or an error at once. By default it takes until somebody decides.
    std::function<int(memory_socket&)> on_connect = [](memory_socket&) { return EINPROGRESS; };
    /// A message that a datagram socket sends.
    std::function<void(memory_socket&, const os::outgoing&)> on_datagram = [](memory_socket&, const os::outgoing&) {};

    // the program's side, behind daemon/os
    [[nodiscard]] memory_socket* make_socket();
    [[nodiscard]] memory_socket* make_datagram_socket();
    [[nodiscard]] memory_socket* find(int fd); ///< null: not open
    bool close(int fd);                        ///< false: not a socket of this kernel
    std::size_t collect(const os::poller& watcher, std::span<os::event> into);

    // the network's side
    void connected(memory_socket& s);
    void connect_failed(memory_socket& s, int error);
    /// A peer's connection, accepted already.
    [[nodiscard]] os::accepted accept_from(const endpoint& peer, memory_socket*& socket);
    /// How many octets found room in the receive buffer.
    std::size_t peer_writes(memory_socket& s, bytes_view octets);
    /// Takes up to `count` octets that the program sent.
    std::vector<octet> peer_takes(memory_socket& s, std::size_t count);
    void peer_finishes(memory_socket& s);
    void datagram_arrives(memory_socket& s, memory_datagram d);
    void peer_resets(memory_socket& s, int error = ECONNRESET);

    /// News is reported in this order if it is set: for trying orders of events.
    std::mt19937* shuffle = nullptr;

    [[nodiscard]] std::deque<memory_socket>& sockets() { return sockets_; }
    [[nodiscard]] std::size_t open_sockets() const;
    [[nodiscard]] memory_socket& newest() { return sockets_.back(); }

private:
    std::deque<memory_socket> sockets_; ///< numbers are never used again
};

} // namespace tapioca::test
