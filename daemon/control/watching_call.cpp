#include "daemon/control/watching_call.hpp"

#include "daemon/control/varlink_message.hpp"

namespace tapioca {
namespace {

constexpr std::size_t events_in_a_reply = 128;

class watching_call final : public running_call {
public:
    watching_call(event_stream& events, topic_set topics) : watcher_(events, topics) {}

    /// The first reply is empty: from then on nothing is missed.
    state look(std::string& out) override
    {
        if (begun_ && !watcher_.has_something())
            return state::waits;
        const auto some = watcher_.take(events_in_a_reply);
        std::string list;
        for (const auto& event : some.events)
            list += (list.empty() ? "" : ",") + *event;
        varlink::put_reply_text(out, "{\"events\":[" + list + "],\"lost\":" + std::to_string(some.lost) + '}',
                                varlink::continues::yes);
        begun_ = true;
        return state::goes_on;
    }

    void when_ready(std::function<void()> call) override { watcher_.when_ready(std::move(call)); }

private:
    event_stream::watcher watcher_;
    bool begun_ = false;
};

} // namespace

std::unique_ptr<running_call> begin_watching(event_stream& events, topic_set topics)
{
    return std::make_unique<watching_call>(events, topics);
}

} // namespace tapioca
