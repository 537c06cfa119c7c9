#include "daemon/control/event_stream.hpp"

#include <algorithm>
#include <chrono>

namespace tapioca {

namespace json = boost::json;

namespace {

std::int64_t milliseconds_since_1970()
{
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

} // namespace

event_stream::watcher::watcher(event_stream& of, topic_set topics) : of_(of), topics_(topics)
{
    of_.watchers_.push_back(this);
    of_.count(topics_, 1);
}

event_stream::watcher::~watcher()
{
    std::erase(of_.watchers_, this);
    of_.count(topics_, -1);
}

event_stream::watcher::taken event_stream::watcher::take(std::size_t most)
{
    taken some;
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(most, waiting_.size()));
    some.events.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    if (waiting_.empty()) // what was lost came behind all of these
        some.lost = std::exchange(lost_, 0);
    return some;
}

void event_stream::watcher::put(const text& event)
{
    const bool was_empty = !has_something();
    waiting_.push_back(event);
    if (was_empty && ready_)
        ready_();
}

void event_stream::watcher::lose(std::uint64_t count)
{
    const bool was_empty = !has_something();
    lost_ += count;
    if (was_empty && ready_)
        ready_();
}

void event_stream::publish(event_topic topic, std::string_view name, const std::function<json::object()>& describe)
{
    text made;
    for (auto* w : watchers_) {
        if ((w->topics_ & set_of(topic)) == 0)
            continue;
        // Behind a gap nothing is put before its reader has heard of it, or the gap would seem to be elsewhere.
        if (w->lost_ != 0 || w->waiting_.size() == watcher::most_waiting) {
            w->lose(1);
            continue;
        }
        if (!made) {
            json::object event{{"event", name},
                               {"topic", event_topic_names[static_cast<std::size_t>(topic)]},
                               {"time", milliseconds_since_1970()}};
            for (auto& member : describe())
                event[member.key()] = std::move(member.value());
            made = std::make_shared<const std::string>(json::serialize(event));
        }
        w->put(made);
    }
}

void event_stream::lose(event_topic topic, std::uint64_t count)
{
    for (auto* w : watchers_)
        if (count != 0 && (w->topics_ & set_of(topic)) != 0)
            w->lose(count);
}

void event_stream::count(topic_set topics, int change)
{
    for (std::size_t i = 0; i < event_topics; ++i) {
        const auto topic = static_cast<event_topic>(i);
        if ((topics & set_of(topic)) == 0)
            continue;
        const bool before = is_watched(topic);
        watched_[i] = change > 0 ? watched_[i] + 1 : watched_[i] - 1;
        if (changed_ && before != is_watched(topic))
            changed_(topic, is_watched(topic));
    }
}

} // namespace tapioca
