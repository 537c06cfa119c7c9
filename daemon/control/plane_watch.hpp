// What the workers tell, to the log and to whoever watches: flows that begin and end as they do so, drops once a second. Nothing
// of it costs anything while nobody watches.
#pragma once

#include "daemon/control/event_stream.hpp"
#include "daemon/control/reactor.hpp"
#include "daemon/control/rules_in_force.hpp"
#include "daemon/loop/worker_pool.hpp"

namespace tapioca {

class plane_watch final : public control_service {
public:
    /// The workers outlive it.
    explicit plane_watch(worker_pool& workers) : workers_(workers) {}

    void start(reactor& loop) override;
    /// Takes what the workers have reported since the last call.
    void drain();
    [[nodiscard]] event_stream& events() noexcept { return events_; }
    /// Then events have the ids of rules. It outlives the loop.
    void name_rules_by(const rules_in_force& rules) noexcept { rules_ = &rules; }

private:
    using drop_counts = std::array<std::uint64_t, drop_reason_count>;

    [[nodiscard]] drop_counts drops_now() const;
    [[nodiscard]] std::uint64_t lost_now() const;
    void publish(std::size_t worker, const report::worker_event& event);
    void publish_denial(const report::worker_event& event);
    void begin_or_end(event_topic topic, bool watched);
    void compare_drops();

    worker_pool& workers_;
    event_stream events_;
    const rules_in_force* rules_ = nullptr;
    reactor* loop_ = nullptr;
    std::uint64_t lost_ = 0; ///< events of workers, as far as watchers know
    drop_counts drops_{};    ///< when they were last compared
    bool compares_ = false;  ///< a call is on its way
};

} // namespace tapioca
