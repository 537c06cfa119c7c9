#include "daemon/tap/stream_device.hpp"

#include "daemon/os/passed_fds.hpp"
#include "daemon/tap/accept_client.hpp"

#include <utility>

namespace tapioca {

using report::event_kind;

stream_device::stream_device(stream_descriptor sockets, const device_place& place)
    : tap_device(place), queue_(place.counters), sockets_(std::move(sockets))
{
}

void stream_device::start()
{
    if (!sockets_.listener)
        return os::require(attach(std::move(sockets_.client)), "Couldn't watch the guest");
    os::require(place_.poller.add(sockets_.listener.get(), token_of(source::clients), os::trigger::level),
                "Couldn't watch the guest's socket");
    place_.owner.keep_spare_fd();
}

os::result<void> stream_device::attach(os::unique_fd client) noexcept
{
    queue_.attach(std::move(client));
    const auto watched = watch_client();
    if (watched)
        place_.owner.greet_guest();
    return watched;
}

os::result<void> stream_device::watch_client() noexcept
{
    return place_.poller.add(queue_.descriptor(), token_of(source::tap), os::trigger::edge);
}

link_in_use stream_device::give()
{
    link_in_use link;
    put_link(link.octets, migrate::link_kind::stream, queue_.attached(), {}, queue_.not_handed_out(), queue_.not_sent());
    if (queue_.attached())
        link.descriptors.push_back(queue_.descriptor());
    return link;
}

/// The guest has been greeted. Its end, if it has gone, is read from the socket.
std::string_view stream_device::go_on(const migrate::link_state& from, std::span<os::unique_fd> passed)
{
    if (from.link != migrate::link_kind::stream || passed.size() != (from.has_client ? 1 : 0) || !from.said.empty())
        return "what is under way with its guest makes no sense";
    if (!from.has_client)
        return {};
    if (!os::is_unix_socket(passed.front().get()))
        return "its guest's descriptor is no socket";
    if (!queue_.attach(passed.front(), from.from_guest, from.to_guest))
        return "more is under way with its guest than there is room for";
    return watch_client() ? "" : "its guest can't be watched";
}

void stream_device::take(const os::event& e, instant now) noexcept
{
    if (static_cast<source>(e.what.kind) == source::clients) {
        client_waits_ = true;
        return;
    }
    if (e.closed_by_peer)
        queue_.expect_end();
    read(now);
}

/// A few batches a turn, so that flows whose sockets are ready get their turn as well.
void stream_device::read(instant now) noexcept
{
    for (int batches = 0; batches < batches_a_turn; ++batches) {
        place_.owner.take_frames(queue_.receive(tap_queue::most_frames), now);
        if (!queue_.has_more())
            break;
    }
}

/// The end of one guest and the coming of the next may be news of the same turn, in either order. While there is something to
/// read from one that goes, the next waits.
void stream_device::end_turn(instant now) noexcept
{
    if (queue_.over())
        let_client_go(now);
    if (!std::exchange(client_waits_, false) || queue_.ending())
        return;
    auto client = accept_client(sockets_.listener.get(), queue_.attached(), place_.owner, now);
    if (client && !attach(std::move(client)))
        let_client_go(now);
}

void stream_device::let_client_go(instant now) noexcept
{
    if (queue_.misunderstood())
        place_.owner.tell(event_kind::client_misunderstood, 0, now);
    queue_.detach(); // epoll forgets the descriptor with it
    place_.owner.tell(event_kind::client_gone, 0, now);
}

} // namespace tapioca
