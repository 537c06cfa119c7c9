// All workers of the data plane, as the control plane sees them.
#pragma once

#include "daemon/loop/worker.hpp"
#include "daemon/netns/resident.hpp"

#include <functional>

namespace tapioca {

/// What the data plane is given for good.
struct plane_resources {
    std::vector<tap_source> tap_queues; ///< one a worker
    std::vector<listening_socket> listeners;
    os::unique_fd pcap;
};

class worker_pool {
public:
    /// One worker a queue of the tap. Reserves all memory; throws std::system_error.
    /// `in_namespace` outlives it; null, or without sockets, if nothing is spliced.
    worker_pool(plane_config config, plane_resources&& resources, netns::resident* in_namespace = nullptr);

    /// Starts the threads, each of which does `first` before anything else: they inherit the caller's credentials and signal
    /// mask.
    void start(const std::function<void()>& first);
    /// The guest's processes: a guest whose have ended sends no more than the rest of its queues.
    enum class processes : std::uint8_t { live, have_ended };
    /// Ends listening, and lets them bring what was acknowledged to where it belongs, for so long at most. The threads stay.
    void begin_drain(duration patience, processes of_guest) noexcept;
    /// Whether all of them have done all they will ever do; `events` is readable then.
    [[nodiscard]] bool ended() const noexcept { return shared_.ended.load() == workers_.size(); }
    /// Ends that time.
    void end_drain() noexcept;
    /// How many connections had to be reset at the end, because they were not complete.
    [[nodiscard]] std::uint32_t reset_at_end() const noexcept { return shared_.reset_at_end.load(std::memory_order_relaxed); }

    /// They stop between two turns, or, before start(), ahead of the first one, and stand still when it returns; what they had
    /// sent each other has arrived. Their planes are the caller's then, until thaw().
    void freeze() noexcept;
    /// Before start(): as after freeze(), which is to be called behind start() all the same.
    void begin_frozen() noexcept;
    void thaw() noexcept;
    /// While its worker stands still, or while what is looked at is frozen (plane::freeze) and the worker has said so.
    [[nodiscard]] plane& frozen_plane(std::size_t i) noexcept { return workers_[i]->frozen_plane(); }
    /// The end of the link that guests come to, if they do: that of worker 0. While all stand still.
    [[nodiscard]] tap_device& frozen_link() noexcept { return workers_.front()->frozen_device(); }
    /// What is known of the guest's end of the link.
    [[nodiscard]] guest_link& guest() noexcept { return shared_.guest; }

    /// Readable when there is something to drain.
    [[nodiscard]] int events() const noexcept { return shared_.events_bell.get(); }
    /// Calls `visit` for everything that the workers have reported since the last call. From one thread only.
    void drain_events(const std::function<void(std::size_t worker, const report::worker_event&)>& visit);
    /// Calls `take` for what the workers have for the audit log, the oldest of each first, until it returns false: then that
    /// record stays. Whether there may be more. From the same thread.
    bool drain_audit(const std::function<bool(std::size_t worker, const report::audit_record&)>& take);
    /// Records that there was no room for, since the start.
    [[nodiscard]] std::uint64_t audit_records_lost() const noexcept;
    /// Nothing can be written at present, or it can again: if the log is required, no flow begins meanwhile.
    void stop_audit(bool stopped) noexcept;
    /// Whether the workers are to report each flow that begins and ends, which they do for the log of --debug in any case.
    void watch_flows(bool wanted) noexcept { shared_.flows_watched.store(wanted, std::memory_order_relaxed); }

    /// Whether a guest on a stream socket has come and left.
    [[nodiscard]] bool guest_gone() const noexcept { return shared_.guest_gone.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t size() const noexcept { return workers_.size(); }
    [[nodiscard]] const report::counters& counters_of(std::size_t i) const noexcept { return workers_[i]->counters(); }
    /// Of all workers. `slot`: of the rule.
    [[nodiscard]] report::rule_totals counted_of_rule(rule_side side, std::size_t slot) const noexcept;

    /// Begins and ends listening.
    void listen(listening_socket&& l);
    void stop_listening(const listener_name& name);
    void rename_listener(const listener_name& from, const listener_name& to);
    /// Whether all of that was done.
    [[nodiscard]] bool have_obeyed() const noexcept;
    /// Changes what all planes know (plane::adopt says what may change), each between two of its turns. What they knew before is
    /// given back as soon as none of them needs it, with the next command.
    void exchange(const std::function<void(plane_config&)>& change);
    [[nodiscard]] const plane_config& config() const noexcept { return *shared_.config; }

    /// Has a worker do something; a question is done when it says so.
    void ask(std::size_t who, worker_command what) { workers_[who]->command(std::move(what)); }
    /// Where the front-end of a guest that shares its memory asks for its state; null: there is no such guest.
    [[nodiscard]] device_state* guest_state() noexcept;
    /// Makes events() readable.
    void ring_bell() noexcept { os::signal(shared_.events_bell.get()); }

    /// Where the outside is led to, unless the user has said where. An unspecified address changes nothing.
    void guest_has(const ip_address& v4, const ip_address& v6) noexcept;

    /// Sends an unsolicited router advertisement, unless the guest is to have none.
    void advertise_router();

private:
    shared_state shared_;
    os::unique_fd capture_;
    std::vector<std::unique_ptr<worker>> workers_;
};

} // namespace tapioca
