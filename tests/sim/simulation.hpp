// A plane between guests and peers in virtual time, over a memory kernel and a memory tap, with a link that loses, delays,
// reorders and doubles frames. Nothing waits; the same seed gives the same run.
#pragma once

#include "daemon/plane/plane.hpp"
#include "tests/support/guest_model.hpp"
#include "tests/support/memory_kernel.hpp"
#include "tests/support/memory_tap.hpp"

#include <functional>
#include <map>
#include <memory>

namespace tapioca::test {

class vhost_tap;

struct link_quality {
    duration delay = std::chrono::microseconds{50};
    duration jitter{}; ///< added at random: reorders
    double loss = 0, duplicates = 0;
};

/// The far end of a socket: what it sends, what it takes, and how fast.
struct peer_model {
    memory_socket* socket = nullptr;
    stream_pattern ours{0}, theirs{0};
    std::uint64_t to_send = 0, sent = 0, received = 0;
    bool finish = false, finished = false, reads = true;
    bool answers = false; ///< as many octets as come, at once, and the end with an end
    bool saw_end = false, saw_reset = false;
    double read_rate = 0; ///< octets a second; 0: at once
    double allowance = 0;
    instant counted{};
    std::vector<std::string> complaints;

    /// Moves what can be moved. True if anything was.
    bool act(instant now);
    [[nodiscard]] instant next(instant now) const;

private:
    bool send();
};

/// What the kernel is said to be able to: everything, or no peek offset if TAPIOCA_SIM_OWN_STORE is in the environment. So every
/// scenario runs with both keepers of what is in flight.
[[nodiscard]] bool kernel_has_peek_offset();

/// Whether frames pass through the rings of a guest's memory: if TAPIOCA_SIM_VHOST is in the environment.
[[nodiscard]] bool guest_shares_memory();

struct simulation_options {
    bool v6 = false;
    std::uint16_t mtu = 65520;
    offloads offered{true, true, true};
    bool peek_offset = kernel_has_peek_offset();
    bool shares_memory = guest_shares_memory();
    bool split_frames = false; ///< super-frames are cut into segments on the link, as a device would
    link_quality to_guest{}, from_guest{};
    guest_options guest{};
    unsigned seed = 1;
    bool shuffle_events = false;
    std::size_t flows = 256;
    std::size_t pool = tcp_translator::store_octets;
};

/// What must hold for every segment that leaves for the guest, whatever the link does to it later.
class segment_watch {
public:
    void see(const wire::tcp_segment& s, int scale, std::vector<std::string>& complaints);

private:
    bool seen_ = false;
    seq_number ack_, edge_;
};

class simulation {
public:
    explicit simulation(const simulation_options& options = {});
    ~simulation();

    struct conversation {
        std::unique_ptr<guest_tcp> guest;
        peer_model peer;
        segment_watch watch;
    };
    /// A guest that connects to a peer, each to another port; the socket is there once its SYN has arrived.
    conversation& guest_opens();
    conversation& guest_opens(const guest_options& options);
    conversation& guest_opens_to(const endpoint& remote);
    /// A peer that connected to the guest's port 8080, where the guest listens.
    conversation& peer_opens();
    conversation& peer_opens(const guest_options& options);

    /// Until `done` or the end of `limit`; true if it was done.
    bool run_until(const std::function<bool()>& done, duration limit = std::chrono::seconds{60});
    void run_for(duration time);
    /// Until both streams have ended and the flow is gone.
    bool run_to_end(conversation& c, duration limit = std::chrono::seconds{600});
    void after(duration delay, std::function<void()> what);

    /// A frame as the guest would send it, past the link.
    void inject(bytes_view frame) { tap.from_guest.push_back({{}, {frame.begin(), frame.end()}}); }

    [[nodiscard]] instant now() const { return kernel.clock; }
    [[nodiscard]] std::uint64_t count(report::counter c) const { return counters->value(c); }
    [[nodiscard]] std::uint64_t dropped(drop_reason why) const { return counters->dropped(why); }
    /// Of all models and of the watch over the segments; empty if all is well.
    [[nodiscard]] std::vector<std::string> complaints() const;
    [[nodiscard]] bool nothing_left() const;
    [[nodiscard]] bool lossy() const { return to_guest.loss > 0 || from_guest.loss > 0; }

    std::function<void(const wire::tcp_segment&, instant)> on_segment_to_guest;   ///< for tests that look at each
    std::function<void(const packet&)> on_other_to_guest;                         ///< likewise for what is not TCP
    std::function<bool(const wire::tcp_segment&)> lose_to_guest, lose_from_guest; ///< frames that the link loses on purpose
    bool paused = false;   ///< guests stand still: they read nothing from the tap, and their clocks do not run
    std::uint8_t rule = 0; ///< that peers come through
    std::array<std::size_t, static_cast<std::size_t>(report::event_kind::count_)> told{}; ///< to the log, of each kind
    std::size_t allocations = 0;                                                          ///< made in turns

    memory_kernel kernel;
    memory_tap tap;
    plane_config config;
    link_quality to_guest{}, from_guest{};
    std::unique_ptr<report::counters> counters;
    std::unique_ptr<vhost_tap> rings;           ///< before the tap, if the guest shares its memory
    std::unique_ptr<report::event_ring> events; ///< drained in each turn
    std::function<void(const report::worker_event&)> hears_event = [](const report::worker_event&) {};
    guest_link guest;
    os::poller poller;
    std::unique_ptr<tapioca::plane> plane;
    tcp_translator* tcp = nullptr; ///< of the plane, as are these
    udp_translator* udp = nullptr;
    echo_translator* echo = nullptr;
    std::vector<std::unique_ptr<conversation>> conversations;

private:
    bool step(instant limit);
    void settle();
    bool turn();
    void collect();
    void to_link(const memory_frame& frame, link_quality& quality, std::function<void(memory_frame)> arrive);
    void deliver_to_guest(const memory_frame& frame);
    [[nodiscard]] instant next_event() const;
    [[nodiscard]] tap_queue& back_end();
    conversation& add(const flow_key& key, const guest_options& options);
    [[nodiscard]] conversation* find(const flow_key& key);
    [[nodiscard]] flow_key fresh_key(std::uint16_t guest_port, std::uint16_t remote_port) const;

    simulation_options options_;
    std::mt19937 random_;
    std::multimap<instant, std::function<void()>> due_;
    std::uint16_t ports_ = 0;
};

} // namespace tapioca::test
