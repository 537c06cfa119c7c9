// Many hostile conversations at once over one stream socket: a slot is a port of the far end (or, inbound, of the guest) that one
// connection after the other uses.
#pragma once

#include "tests/adversary/conversation.hpp"
#include "tests/adversary/sockets.hpp"
#include "tests/adversary/stream_link.hpp"

#include <memory>
#include <queue>

namespace tapioca::adversary {

/// Where the slots' ports begin: outbound ones listen here, nobody listens behind the refused ones, inbound ones are forwarded.
inline constexpr std::uint16_t listening_ports = 10000, refused_ports = 20000, inbound_ports = 30000;
inline constexpr std::uint32_t most_slots = 4000;

class crowd {
public:
    explicit crowd(const crowd_options& options);
    ~crowd();
    /// True if nothing was wrong.
    bool run();

private:
    struct slot {
        bool inbound = false, six = false;
        int listener = -1;
        std::unique_ptr<conversation> now;
        flow_key key;               ///< of the connection that is, or was last
        std::uint32_t next_iss = 0; ///< beyond what the last one used
        bool was_used = false;
    };
    struct late_frame {
        instant due;
        std::uint64_t order;
        bool to_guest;
        std::vector<octet> octets;
        bool operator>(const late_frame& o) const { return due != o.due ? due > o.due : order > o.order; }
    };

    void introduce();
    void make_listener(std::uint32_t number);
    void begin(std::uint32_t number);
    bool connect_peer(slot& s);
    void accept_peer(std::uint32_t number);
    void watch(std::uint32_t number, int descriptor);
    void on_event(std::uint64_t tag, std::uint32_t events);
    void from_daemon(bytes_view frame);
    void answer_neighbours(bytes_view frame);
    void arrive(bytes_view frame);
    void refuse(const flow_key& key, const wire::tcp_segment& s);
    void let_go(slot& s);
    void deliver_late();
    void turn(slot& s);
    void check_end(std::uint32_t number);
    void report(const slot& s, const std::vector<std::string>& faults);
    [[nodiscard]] slot* slot_of(const flow_key& key);
    [[nodiscard]] int next_wait();
    bool summary() const;

    crowd_options options_;
    stream_link link_;
    link_ends ends_;
    int epoll_;
    std::vector<slot> slots_;
    std::priority_queue<late_frame, std::vector<late_frame>, std::greater<>> late_;
    dice dice_;
    instant now_;
    static constexpr std::uint32_t kinds = 4; ///< both families, both directions: the number of a connection says which
    std::uint64_t unbegun_[kinds] = {};       ///< the next number of each kind
    std::uint64_t over_ = 0, wrong_ = 0, order_ = 0, strays_ = 0, reset_in_closing_ = 0;
    std::uint64_t octets_up_ = 0, octets_down_ = 0;
    struct tally {
        std::uint64_t fresh = 0, old = 0, lost = 0, repeated = 0, connections = 0, worst = 0, worst_number = 0;
    } gentle_, rough_;
    duration slowest_{};
    std::uint64_t slowest_number_ = 0;
    bool link_is_up_ = true, stream_waits_ = false;
};

} // namespace tapioca::adversary
