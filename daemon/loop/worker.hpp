// One thread of the data plane: its own epoll, its own tap queue, a plane with its own flows, and its mail. It takes no lock,
// calls no logger, and never waits but in poller::wait. A turn takes what is ready, lets each flow do its work, then flushes
// once.
//
// Workers meet in three places: the table of owners, the mailboxes, and what is known of the guest's link. A frame of a flow that
// another worker owns goes to its mailbox; a new connection goes to the worker with the fewest flows, unless it is likely to be
// small. Idle workers stop polling; worker 0 reads their queues of the tap (worker_share.cpp).
#pragma once

#include "daemon/loop/command_list.hpp"
#include "daemon/loop/flow_habits.hpp"
#include "daemon/loop/mailbox.hpp"
#include "daemon/loop/owner_table.hpp"
#include "daemon/plane/plane.hpp"
#include "daemon/tap/capture_queue.hpp"
#include "daemon/tap/pcap_file.hpp"
#include "daemon/tap/tap_source.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

namespace tapioca {

/// What all workers share.
struct shared_state {
    shared_state(plane_config c, const flow_budget::shares& shares, std::size_t workers);

    snapshot config; ///< that planes have, or will have in their next turn
    flow_budget budget;
    egress_meter egress_used;
    guest_link guest;
    owner_table owners;
    std::deque<mailbox> mailboxes;
    std::deque<std::atomic<std::uint32_t>> flow_counts;
    flow_habits habits;
    device_group devices;
    std::deque<std::atomic<bool>> idle;          ///< workers that do not poll: worker 0 reads their queues
    std::atomic<std::uint64_t> crowded = 0;      ///< a bit for each worker that has nearly more to do than it can
    os::unique_fd events_bell;                   ///< wakes the main thread, which drains the workers' events
    std::atomic<bool> flows_watched = false;     ///< by somebody else than the log
    std::atomic<bool> guest_gone = false;        ///< a guest on a stream socket has left
    std::atomic<bool> guest_has_ended = false;   ///< its processes have
    std::atomic<instant> drain_until{};          ///< the end of it all
    std::atomic<std::uint64_t> draining = 0;     ///< a bit for each worker that still has to bring octets to a socket
    std::atomic<std::uint32_t> ended = 0;        ///< workers that have done all that they will ever do
    std::atomic<std::uint32_t> reset_at_end = 0; ///< connections that were not complete then
};

class worker final : private other_workers, private device_owner, private report::drop_watcher {
public:
    /// Reserves everything that the worker will ever use; throws std::system_error. `capture`: -1, or the file of --pcap.
    /// `in_namespace`: null if nothing is spliced.
    worker(shared_state& common, unsigned self, tap_source tap, int capture, namespace_sockets* in_namespace);
    ~worker() override;
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Before start().
    void listen(listening_socket l) noexcept { plane_.keep(std::move(l)); }

    /// Returns when the thread runs and has done `first`, and whatever else it may not do when it is sealed.
    void start(const std::function<void()>& first);
    /// Ends listening. The worker goes on with what it has, until shared_state::drain_until at most, and counts itself as ended.
    /// The thread stays, asleep: when it is sealed, it cannot end.
    void begin_drain() noexcept;
    // worker_freeze.cpp
    /// Stops between two turns, or, before start(), ahead of the first one. wait_frozen() returns when it stands still: its plane
    /// is the caller's then, until thaw().
    void freeze() noexcept;
    void wait_frozen() noexcept { frozen_.acquire(); }
    void thaw() noexcept;
    [[nodiscard]] plane& frozen_plane() noexcept { return plane_; }
    [[nodiscard]] tap_device& frozen_device() noexcept { return *device_; }
    /// While all workers stand still: deals with what the others have sent. True if there was anything.
    [[nodiscard]] bool settle() noexcept;

    /// Ends the thread.
    void stop() noexcept;
    /// From the control plane's thread.
    void command(worker_command what);
    [[nodiscard]] bool has_obeyed() const noexcept { return commands_.is_done(); }

    [[nodiscard]] const report::counters& counters() const noexcept { return counters_; }
    [[nodiscard]] const report::rule_counts& by_rule() const noexcept { return plane_.by_rule(); }
    [[nodiscard]] report::event_ring& events() noexcept { return events_; }
    /// Null: there is no audit log.
    [[nodiscard]] report::audit_ring* audit() noexcept { return audit_ ? &*audit_ : nullptr; }

private:
    void run() noexcept;
    bool turn(instant until) noexcept;
    void dispatch(const os::event& e, instant now) noexcept;

    // worker_share.cpp
    void share_work(instant now) noexcept;
    void poll_for_idle() noexcept;
    void measure_work(instant now) noexcept;
    void stop_or_resume_polling(instant now) noexcept;

    // worker_capture.cpp
    void show_frames_to(std::shared_ptr<frame_sink> sink) noexcept;
    void end_showing(frame_capture& capture) noexcept;
    void dropped(drop_reason why, std::uint64_t n) noexcept override;

    // worker_freeze.cpp
    void stand_still() noexcept;

    // worker_drain.cpp
    void drain() noexcept;
    [[nodiscard]] bool stays_for(bool something) noexcept;

    void take_mail(instant now) noexcept;
    void take_letter(bytes_view letter, instant now) noexcept;
    void carry_out(worker_command& what, instant now) noexcept;
    void end_turn(instant now) noexcept;
    void publish_load() noexcept;
    void wake_reader() noexcept;
    [[nodiscard]] instant next_deadline(instant now) const noexcept;

    void take_frames(std::span<const rx_frame> frames, instant now) noexcept override;
    void tell(report::event_kind what, int detail, instant now, const char* words) noexcept override;
    void greet_guest() noexcept override { plane_.greet_guest(); }
    void keep_spare_fd() noexcept override;
    void give_up_spare_fd() noexcept override { plane_.give_up_spare_fd(); }

    [[nodiscard]] std::optional<unsigned> who_listens() const noexcept override;
    [[nodiscard]] bool claim(std::uint64_t flow_hash) noexcept override;
    void disclaim(std::uint64_t flow_hash) noexcept override;
    [[nodiscard]] std::optional<unsigned> owner(std::uint64_t flow_hash) const noexcept override;
    [[nodiscard]] std::optional<unsigned> better_place(flow_origin origin, std::uint16_t port) noexcept override;
    [[nodiscard]] bool is_crowded() const noexcept override { return shared_.crowded.load(std::memory_order_relaxed) != 0; }
    [[nodiscard]] bool are_small(flow_origin origin, std::uint16_t port) const noexcept override
    {
        return shared_.habits.are_small(origin, port);
    }
    void note_end(flow_origin origin, std::uint16_t port, std::uint64_t octets) noexcept override
    {
        shared_.habits.note(origin, port, octets);
    }
    bool hand_over(unsigned to, const rx_frame& frame) noexcept override;
    bool hand_over(unsigned to, const packet& reassembled) noexcept override;
    bool hand_over(unsigned to, const tcp_flow& f, const flow_birth& birth) noexcept override;
    void transfer(std::uint64_t flow_hash, unsigned to) noexcept override { shared_.owners.transfer(flow_hash, self_, to); }
    bool hand_over(unsigned to, os::accepted& connection, const listener_name& through) noexcept override;
    bool post(unsigned to, std::span<const bytes_view> parts) noexcept;

    shared_state& shared_;
    const unsigned self_;
    report::counters counters_;
    report::event_ring events_;
    std::optional<report::audit_ring> audit_; ///< if there is an audit log
    os::poller poller_;
    std::unique_ptr<tap_device> device_;
    capture_queue captured_;
    plane plane_;
    command_list commands_;
    context& ctx_; ///< the plane's
    std::atomic<bool> stopping_ = false, drains_ = false, freezes_ = false;
    std::uint64_t reads_for_ = 0;                    ///< a bit for each worker whose queue we read because it is idle
    bool did_something_ = false;                     ///< in this turn, for flows of ours
    instant useful_{}, look_again_ = instant::max(); ///< when we last had a reason to poll; when we may stop
    instant measured_{};
    duration worked_{};       ///< our time on a processor until then
    std::uint64_t bells_ = 0; ///< a bit for each worker that has new letters from us
    bool mail_left_ = false;
    struct {
        std::uint8_t from = 0, times = 0;
    } handed_on_; ///< of the frame that a letter brought
    instant now_;
    std::binary_semaphore running_{0}, stopped_{0}, closed_{0}, may_end_{0}, frozen_{0}, thawed_{0};
    std::thread thread_;
};

} // namespace tapioca
