// What happens in a running instance, for whoever watches it from outside. Anybody in the control plane publishes; each watcher
// has a queue of its own. All of it in the main thread.
//
//     events.publish(event_topic::host, "resolver_changed", [&] { return boost::json::object{{"resolvers", texts}}; });
//
// An event costs nothing while nobody watches its topic: `describe` is not called then. It is made once, however many watch. A
// watcher that reads slowly loses events and is told how many; nobody waits for it.
#pragma once

#include <boost/json.hpp>

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

/// What a watcher chooses by. `host`: what the instance follows, as its addresses and resolvers; and itself.
enum class event_topic : std::uint8_t { flows, drops, host, count_ };

inline constexpr std::size_t event_topics = static_cast<std::size_t>(event_topic::count_);
inline constexpr std::array<std::string_view, event_topics> event_topic_names = {"flows", "drops", "host"};

/// A bit for each topic.
using topic_set = std::uint8_t;
[[nodiscard]] constexpr topic_set set_of(event_topic topic) noexcept
{
    return static_cast<topic_set>(1U << static_cast<unsigned>(topic));
}

inline constexpr topic_set all_topics = (1U << event_topics) - 1;

class event_stream {
public:
    /// An event as JSON text, shared by all queues that it waits in.
    using text = std::shared_ptr<const std::string>;

    /// Watches from its construction until its destruction. The stream outlives it.
    class watcher {
    public:
        static constexpr std::size_t most_waiting = 1024;

        watcher(event_stream& of, topic_set topics);
        ~watcher();
        watcher(const watcher&) = delete;
        watcher& operator=(const watcher&) = delete;

        /// Called when the queue was empty and is not any more; it must not change the stream.
        void when_ready(std::function<void()> call) { ready_ = std::move(call); }
        [[nodiscard]] bool has_something() const noexcept { return !waiting_.empty() || lost_ != 0; }
        struct taken {
            std::vector<text> events; ///< the oldest first
            std::uint64_t lost = 0;   ///< how many there were no room for since the last call; newer ones than `events`
        };
        [[nodiscard]] taken take(std::size_t most);

    private:
        friend event_stream;
        void put(const text& event);
        void lose(std::uint64_t count);

        event_stream& of_;
        topic_set topics_;
        std::deque<text> waiting_;
        std::uint64_t lost_ = 0;
        std::function<void()> ready_;
    };

    event_stream() = default;
    event_stream(const event_stream&) = delete;
    event_stream& operator=(const event_stream&) = delete;

    [[nodiscard]] bool is_watched(event_topic topic) const noexcept { return watched_[static_cast<std::size_t>(topic)] != 0; }
    /// `name`: what has happened, with underscores. `describe`: the members of the event, beside "event", "topic" and "time"
    /// (milliseconds since 1970), which are added; it is not called if nobody wants the event, or has room for it.
    void publish(event_topic topic, std::string_view name, const std::function<boost::json::object()>& describe);
    /// So many events of that topic could not even be published.
    void lose(event_topic topic, std::uint64_t count);
    /// Calls `changed` with each topic that begins or ends to be watched: for sources that cost something.
    void when_watched(std::function<void(event_topic, bool watched)> changed) { changed_ = std::move(changed); }

private:
    void count(topic_set topics, int change);

    std::vector<watcher*> watchers_;
    std::array<std::size_t, event_topics> watched_{};
    std::function<void(event_topic, bool)> changed_;
};

} // namespace tapioca
