// What the workers of a vhost-user guest share: the session, the guest's memory, and the descriptors of its rings. Pair i of the
// guest's rings is served by worker i, and by worker i modulo their number if there are fewer.
//
// Worker 0 has the session's socket. What a message changes, it changes while no other worker is in a turn: each holds a lock
// from the end of its wait to the end of its turn, and worker 0 takes all of them. So nobody needs one on the way of a frame.
#pragma once

#include "daemon/os/event_fd.hpp"
#include "daemon/os/guest_memory.hpp"
#include "daemon/os/passed_fds.hpp"
#include "daemon/os/poller.hpp"
#include "daemon/tap/device_state.hpp"
#include "daemon/tap/retelling.hpp"
#include "daemon/tap/vhost_queue.hpp"
#include "proto/vhost/session.hpp"

#include <deque>
#include <mutex>

namespace tapioca {

class vhost_link {
public:
    explicit vhost_link(std::size_t workers);

    [[nodiscard]] const vhost::memory_map& map() const noexcept { return map_; }
    [[nodiscard]] const vhost::dirty_log& log() const noexcept { return log_; }

    /// Once for each worker, before any message.
    void join(unsigned worker, vhost_queue& queue, os::poller& poller) noexcept;

    // A worker other than worker 0.
    void begin_turn(unsigned worker) noexcept { seats_[worker].turn.lock(); }
    void end_turn(unsigned worker) noexcept { seats_[worker].turn.unlock(); }

    // Any worker.
    /// A ring of ours has broken down: worker 0 is to close the connection.
    void report(std::uint32_t ring, vhost::ring_fault why) noexcept;
    /// Readable when there is such a report.
    [[nodiscard]] int alarm() const noexcept { return alarm_.get(); }
    /// Part of the guest's memory is not there any more.
    [[nodiscard]] bool has_lost_memory() const noexcept;

    // Worker 0.
    struct broken_ring {
        std::uint32_t ring = 0;
        vhost::ring_fault why = vhost::ring_fault::none;
    };
    /// The first that was reported since the connection began.
    [[nodiscard]] std::optional<broken_ring> broken() const noexcept;
    /// Does what a message says, and takes what it needs of its descriptors.
    [[nodiscard]] vhost::outcome take(const vhost::message& m, os::passed_fds& passed) noexcept;
    /// What GET_VRING_BASE is answered with.
    [[nodiscard]] std::uint16_t base_of(std::uint32_t ring) const noexcept { return session_.at(ring).base; }
    [[nodiscard]] const vhost::session& session() const noexcept { return session_; }
    /// Whether a ring towards the guest runs.
    [[nodiscard]] bool runs() const noexcept { return running_to_guest_.load(std::memory_order_relaxed) != 0; }
    /// How often the first of them has begun to run.
    [[nodiscard]] unsigned starts() const noexcept { return starts_; }
    /// Where the state of the back-end is asked for.
    [[nodiscard]] device_state& state() noexcept { return state_; }
    /// What the front-end has said, in as few messages as lead to where we are. While all workers stand still.
    void retell(retelling& to) const;
    /// Rings that were held may run.
    void look_again() noexcept;
    /// The front-end has gone, and all that was its.
    void disconnect() noexcept;

private:
    struct seat {
        vhost_queue* queue = nullptr;
        os::poller* poller = nullptr;
        std::mutex turn;
    };
    struct ring_fds {
        os::unique_fd kick, call, error;
    };

    class everybody_waits;

    [[nodiscard]] seat& seat_of(std::uint32_t ring) noexcept { return seats_[ring / 2 % seats_.size()]; }
    [[nodiscard]] const seat& seat_of(std::uint32_t ring) const noexcept { return seats_[ring / 2 % seats_.size()]; }
    void retell_memory(retelling& to) const;
    void retell_ring(std::uint32_t ring, retelling& to) const;
    // Why it cannot be done; empty: it is.
    [[nodiscard]] std::string_view carry_out(const vhost::outcome& o, os::passed_fds& passed) noexcept;
    [[nodiscard]] std::string_view map_table(os::passed_fds& passed) noexcept;
    [[nodiscard]] std::string_view map_region(const vhost::region& r, os::unique_fd file) noexcept;
    [[nodiscard]] std::string_view unmap_region(const vhost::region& r) noexcept;
    [[nodiscard]] std::string_view set_kick(std::uint32_t ring, os::unique_fd fd) noexcept;
    [[nodiscard]] std::string_view set_call(std::uint32_t ring, os::unique_fd fd) noexcept;
    void drop_kick(std::uint32_t ring) noexcept;
    void look_at_rings() noexcept;
    void look_at_log() noexcept;
    [[nodiscard]] std::optional<vhost::split_queue::memory> place_of(std::uint32_t ring) const noexcept;
    void start(std::uint32_t ring, const vhost::split_queue::memory& at) noexcept;
    void stop(std::uint32_t ring) noexcept;

    std::deque<seat> seats_;
    vhost::session session_;
    vhost::memory_map map_;
    std::array<os::guest_memory, vhost::memory_map::most_regions> memory_; ///< of the map's regions, in their order
    os::guest_memory log_memory_;
    vhost::dirty_log log_;
    std::array<ring_fds, vhost::most_rings> fds_;
    std::atomic<unsigned> running_to_guest_ = 0; ///< other workers ask between turns
    unsigned starts_ = 0;
    os::unique_fd alarm_;
    device_state state_;
    std::atomic<std::uint32_t> broken_ = 0; ///< the ring's index and the fault, if there is one
};

} // namespace tapioca
