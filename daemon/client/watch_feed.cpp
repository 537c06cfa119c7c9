#include "daemon/client/watch_feed.hpp"

#include "daemon/client/json_text.hpp"
#include "proto/base/drop_words.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <span>

namespace tapioca::client {

namespace json = boost::json;

namespace {

constexpr std::string_view openings[] = {"tcp_flows_opened",  "tcp_flows_accepted",   "udp_flows_opened",
                                         "echo_flows_opened", "spliced_flows_opened", "udp_splices_opened"};
constexpr std::string_view endings[] = {"tcp_flows_closed", "udp_flows_closed", "echo_flows_closed", "spliced_flows_closed",
                                        "udp_splices_closed"};
constexpr std::string_view to_guest[] = {"octets_to_guest", "spliced_octets_to_guest"},
                           from_guest[] = {"octets_from_guest", "spliced_octets_to_host"};

std::uint64_t sum_of(const std::map<std::string, std::uint64_t>& counted, std::span<const std::string_view> names)
{
    std::uint64_t sum = 0;
    for (const auto name : names)
        if (const auto found = counted.find(std::string{name}); found != counted.end())
            sum += found->second;
    return sum;
}

void add(std::deque<double>& history, double value)
{
    history.push_back(value);
    if (history.size() > watch_model::most_history)
        history.pop_front();
}

std::string words_of_reason(const std::string& name)
{
    const auto* known = std::ranges::find(drop_reason_names, name);
    return known == drop_reason_names.end()
               ? printable(name)
               : std::string{drop_reason_words[static_cast<std::size_t>(known - drop_reason_names.begin())]};
}

std::string time_of(const json::object& event)
{
    const auto seconds = static_cast<std::time_t>(number_in(event, "time") / 1000);
    std::tm local{};
    std::array<char, 16> text{};
    if (::localtime_r(&seconds, &local) == nullptr || std::strftime(text.data(), text.size(), "%H:%M:%S", &local) == 0)
        return {};
    return text.data();
}

std::string line_of_drops(const json::object& event)
{
    std::string line;
    for (const auto* drop : objects_in(event, "drops"))
        line += (line.empty() ? "dropped " : "; ") + std::to_string(number_in(*drop, "packets")) + ": " +
                printable(text_in(*drop, "words"));
    return line;
}

std::string_view word_for(std::string_view event)
{
    return event == "flow_opened" ? "opened" : event == "flow_closed" ? "closed" : event == "egress_denied" ? "denied" : "failed";
}

std::string line_of_flow(const json::object& event, std::string_view what)
{
    const bool from_peer = text_in(event, "origin") == "peer";
    const auto guest = endpoint_in(event, "guest"), remote = endpoint_in(event, "remote");
    auto line = std::string{what} + ' ' + text_in(event, "protocol") + ' ' + (from_peer ? remote : guest) + " > " +
                (from_peer ? guest : remote);
    if (const auto words = text_in(event, "words") + text_in(event, "error"); !words.empty())
        line += ": " + words;
    if (const auto* rule = object_in(event, "egress"))
        line += ": \"" + text_in(*rule, "text") + "\" (" + text_in(*rule, "file") + ':' + text_in(*rule, "line") + ')';
    if (event.if_contains("octets_from_guest") != nullptr)
        line += ", " + quantity(static_cast<double>(number_in(event, "octets_from_guest"))) + " sent, " +
                quantity(static_cast<double>(number_in(event, "octets_to_guest"))) + " received";
    return printable(line);
}

} // namespace

std::string line_of(const json::object& event)
{
    const auto what = text_in(event, "event");
    const auto time = time_of(event) + ' ';
    if (what == "dropped")
        return time + line_of_drops(event);
    if (event.if_contains("guest") != nullptr && event.if_contains("remote") != nullptr)
        return time + line_of_flow(event, word_for(what));
    if (const auto words = text_in(event, "words"); !words.empty())
        return time + printable(words);
    json::object rest; // of an event that came into being after this program
    for (const auto& [name, value] : event)
        if (name != "event" && name != "topic" && name != "time")
            rest[name] = value;
    return time + printable(what) + (rest.empty() ? "" : ' ' + printable(json::serialize(rest)));
}

void watch_feed::take_counters(const json::object& reply, clock::time_point now)
{
    const auto counted = counts_in(reply, "counters"), dropped = counts_in(reply, "drops");
    const auto seconds = counted_at_ ? std::chrono::duration<double>(now - *counted_at_).count() : 0;
    const auto rate = [&](std::span<const std::string_view> names) {
        return static_cast<double>(sum_of(counted, names) - sum_of(counted_, names)) / seconds;
    };
    const auto opened = sum_of(counted, openings), ended = sum_of(counted, endings);
    model_.flow_count = opened - std::min(opened, ended);
    if (seconds > 0) {
        add(model_.received, rate(to_guest));
        add(model_.sent, rate(from_guest));
        add(model_.opened, rate(openings));
    }
    compare_drops(dropped, seconds);
    counted_ = counted;
    dropped_ = dropped;
    counted_at_ = now;
}

void watch_feed::compare_drops(const counts& drops, double seconds)
{
    model_.drops.clear();
    double all = 0;
    for (const auto& [reason, total] : drops) {
        const auto before = dropped_.find(reason);
        const double rate = seconds > 0 && before != dropped_.end() ? static_cast<double>(total - before->second) / seconds : 0;
        all += rate;
        if (total != 0)
            model_.drops.push_back({words_of_reason(reason), total, rate});
    }
    std::ranges::stable_sort(model_.drops, [](const auto& a, const auto& b) {
        return std::pair{a.rate, a.total} > std::pair{b.rate, b.total};
    });
    if (seconds > 0)
        add(model_.dropped, all);
}

bool watch_feed::take_flows(const json::object& reply, clock::time_point now)
{
    for (const auto* flow : objects_in(reply, "flows"))
        take_flow(*flow, now);
    return now_.size() < most_flows;
}

void watch_feed::take_flow(const json::object& flow, clock::time_point now)
{
    const auto* tcp = object_in(flow, "tcp");
    carried octets{.when = now};
    watch_model::flow shown{printable(text_in(flow, "protocol")), printable(text_in(flow, "state")),
                            printable(endpoint_in(flow, "guest")), printable(endpoint_in(flow, "remote"))};
    if (tcp != nullptr) {
        octets.received = number_in(*tcp, "octets_received");
        octets.sent = number_in(*tcp, "octets_sent");
        shown.round_trip_us = number_in(*tcp, "rtt_us");
        shown.retransmissions = number_in(*tcp, "retransmissions");
    }
    const auto id = text_in(flow, "id");
    if (const auto known = before_.find(id); known != before_.end() && now > known->second.when) {
        const auto seconds = std::chrono::duration<double>(now - known->second.when).count();
        shown.received = static_cast<double>(octets.received - std::min(octets.received, known->second.received)) / seconds;
        shown.sent = static_cast<double>(octets.sent - std::min(octets.sent, known->second.sent)) / seconds;
    }
    now_[id] = octets;
    busy_.push_back(std::move(shown));
}

void watch_feed::end_flows(clock::time_point)
{
    model_.not_all_flows = now_.size() >= most_flows;
    std::ranges::stable_sort(busy_, [](const auto& a, const auto& b) { return a.received + a.sent > b.received + b.sent; });
    if (busy_.size() > watch_model::most_history)
        busy_.resize(watch_model::most_history);
    model_.flows = std::exchange(busy_, {});
    before_ = std::exchange(now_, {});
}

void watch_feed::take_events(const json::object& reply)
{
    for (const auto* event : objects_in(reply, "events")) {
        model_.events.push_back(line_of(*event));
        if (model_.events.size() > watch_model::most_events)
            model_.events.pop_front();
    }
    model_.lost += number_in(reply, "lost");
}

} // namespace tapioca::client
