#include "daemon/control/plane_watch.hpp"

#include "daemon/control/destination_calls.hpp"
#include "daemon/control/flow_json.hpp"
#include "daemon/control/plane_report.hpp"
#include "proto/base/drop_words.hpp"
#include "proto/wire/protocol.hpp"

#include <cstring>

namespace tapioca {

namespace json = boost::json;
using report::event_kind;

namespace {

constexpr duration between_comparisons = std::chrono::seconds{1};

std::string_view name_of(event_kind kind) noexcept
{
    switch (kind) {
    case event_kind::flow_opened:
        return "flow_opened";
    case event_kind::flow_closed:
        return "flow_closed";
    case event_kind::egress_denied:
        return "egress_denied";
    default:
        return "connect_failed";
    }
}

/// There is no flow.
json::object denial_json(const flow_key& key)
{
    const bool tcp = key.protocol == wire::protocol_tcp, udp = key.protocol == wire::protocol_udp;
    return {{"protocol", tcp   ? "tcp"
                         : udp ? "udp"
                               : "echo"},
            {"origin", name_of(flow_origin::guest)},
            {"guest", endpoint_json({key.guest, key.guest_port})},
            {"remote", endpoint_json({key.remote, key.remote_port})}};
}

json::object described(std::size_t worker, const report::worker_event& event, std::optional<std::uint64_t> rule)
{
    auto told = flow_json({worker, event.flow, event.id}, event.key, event.origin, rule);
    if (event.accepted_at.port != 0)
        told["accepted_at"] = endpoint_json(event.accepted_at);
    if (event.kind == event_kind::flow_closed) {
        told["reason"] = end_reason_names[static_cast<std::size_t>(event.why)];
        told["words"] = report::words_of(event.why);
        told["duration_ms"] = std::chrono::floor<std::chrono::milliseconds>(event.lasted).count();
    }
    if (event.octets) {
        told["octets_from_guest"] = event.octets->from_guest;
        told["octets_to_guest"] = event.octets->to_guest;
    }
    if (event.error != 0)
        told["error"] = std::strerror(event.error);
    return told;
}

} // namespace

void plane_watch::start(reactor& loop)
{
    loop_ = &loop;
    events_.when_watched([this](event_topic topic, bool watched) { begin_or_end(topic, watched); });
}

void plane_watch::begin_or_end(event_topic topic, bool watched)
{
    if (topic == event_topic::flows) {
        workers_.watch_flows(watched);
        lost_ = lost_now();
    } else if (topic == event_topic::drops && watched) {
        drops_ = drops_now();
        if (!std::exchange(compares_, true))
            loop_->call_in(between_comparisons, [this] { compare_drops(); });
    }
}

void plane_watch::drain()
{
    workers_.drain_events([this](std::size_t worker, const report::worker_event& event) {
        report::log_event(event);
        if (report::is_routine(event.kind))
            publish(worker, event);
        else if (event.kind == event_kind::egress_denied)
            publish_denial(event);
    });
    if (events_.is_watched(event_topic::flows)) {
        const auto before = std::exchange(lost_, lost_now());
        events_.lose(event_topic::flows, lost_ - before);
    }
}

void plane_watch::publish(std::size_t worker, const report::worker_event& event)
{
    events_.publish(event_topic::flows, name_of(event.kind), [&] {
        return described(worker, event, rules_ == nullptr ? std::nullopt : rule_id(*rules_, event.origin, event.rule));
    });
}

/// A rule is told of by the policy that it is in, if that is still in force.
void plane_watch::publish_denial(const report::worker_event& event)
{
    events_.publish(event_topic::flows, name_of(event.kind), [&] {
        auto told = denial_json(event.key);
        if (event.words != nullptr)
            told["words"] = std::string{"denied "} + event.words;
        const auto* policy = workers_.config().egress.get();
        if (policy != nullptr && policy == event.policy)
            if (auto rule = rule_json(*policy, event.policy_rule))
                told["egress"] = std::move(*rule);
        return told;
    });
}

void plane_watch::compare_drops()
{
    compares_ = events_.is_watched(event_topic::drops);
    if (!compares_)
        return;
    loop_->call_in(between_comparisons, [this] { compare_drops(); });
    const auto before = std::exchange(drops_, drops_now());
    json::array reasons;
    for (std::size_t i = 0; i < drop_reason_count; ++i) {
        const auto why = static_cast<drop_reason>(i);
        if (drops_[i] != before[i] && !is_ordinary(why))
            reasons.push_back({{"reason", drop_reason_names[i]},
                               {"packets", drops_[i] - before[i]},
                               {"total", drops_[i]},
                               {"words", words_of(why)}});
    }
    if (!reasons.empty())
        events_.publish(event_topic::drops, "dropped", [&] { return json::object{{"drops", std::move(reasons)}}; });
}

plane_watch::drop_counts plane_watch::drops_now() const
{
    drop_counts sums{};
    for (std::size_t w = 0; w < workers_.size(); ++w)
        for (std::size_t i = 0; i < drop_reason_count; ++i)
            sums[i] += workers_.counters_of(w).dropped(static_cast<drop_reason>(i));
    return sums;
}

std::uint64_t plane_watch::lost_now() const
{
    std::uint64_t sum = 0;
    for (std::size_t w = 0; w < workers_.size(); ++w)
        sum += workers_.counters_of(w).value(report::counter::events_lost);
    return sum;
}

} // namespace tapioca
