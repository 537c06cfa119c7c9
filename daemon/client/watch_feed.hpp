// Makes the page of `tapioca watch` from what an instance says.
#pragma once

#include "daemon/client/watch_page.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <map>
#include <optional>

namespace tapioca::client {

class watch_feed {
public:
    using clock = std::chrono::steady_clock;
    static constexpr std::size_t most_flows = 4096; ///< looked at

    explicit watch_feed(std::string title) { model_.title = std::move(title); }

    /// A reply of GetCounters, and when it came.
    void take_counters(const boost::json::object& reply, clock::time_point now);
    /// Replies of one ListFlows, and its end. False: that was enough.
    [[nodiscard]] bool take_flows(const boost::json::object& reply, clock::time_point now);
    void end_flows(clock::time_point now);
    /// A reply of WatchEvents.
    void take_events(const boost::json::object& reply);

    [[nodiscard]] const watch_model& model() const noexcept { return model_; }

private:
    using counts = std::map<std::string, std::uint64_t>;
    struct carried {
        std::uint64_t received = 0, sent = 0;
        clock::time_point when;
    };
    void take_flow(const boost::json::object& flow, clock::time_point now);
    void compare_drops(const counts& drops, double seconds);

    watch_model model_;
    counts counted_, dropped_;
    std::optional<clock::time_point> counted_at_;
    std::map<std::string, carried> before_, now_; ///< by the flow's id
    std::vector<watch_model::flow> busy_;
};

/// An event in a line: "15:04:05 closed tcp 192.0.2.1:40000 > 198.51.100.1:443: both sides have ended it, 1.20 kB sent".
[[nodiscard]] std::string line_of(const boost::json::object& event);

} // namespace tapioca::client
