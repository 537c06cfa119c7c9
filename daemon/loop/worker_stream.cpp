// Guests that come and go on a stream socket. One at a time: who comes while one is served is turned away. Flows and listening
// sockets stay when a guest leaves.

#include "daemon/loop/worker.hpp"
#include "daemon/os/stream_listener.hpp"
#include "proto/responder/arp.hpp"
#include "proto/responder/ndp.hpp"

#include <utility>

namespace tapioca {

using report::event_kind;

void worker::serve_clients(stream_descriptor&& clients)
{
    stream_ = static_cast<stream_queue*>(tap_.get());
    clients_ = std::move(clients.listener);
    if (clients_)
        os::require(poller_.add(clients_.get(), token_of(source::clients), os::trigger::level),
                    "Couldn't watch the guest's socket");
    else
        os::require(attach(std::move(clients.client)), "Couldn't watch the guest");
}

os::result<void> worker::attach(os::unique_fd client) noexcept
{
    const int fd = client.get();
    stream_->attach(std::move(client));
    const auto watched = poller_.add(fd, token_of(source::tap), os::trigger::edge);
    if (watched)
        solicit_guest_mac();
    return watched;
}

/// A guest's system talks only when it has a reason to: these make it tell its Ethernet address.
void worker::solicit_guest_mac() noexcept
{
    const auto& net = ctx_.config.net;
    if (net.ipv4)
        if (const auto size = arp_request(net, ctx_.tap.acquire()); size != 0)
            ctx_.tap.commit({}, 0, size);
    if (net.ipv6 && net.ndp)
        if (const auto size = neighbour_solicitation(net, ctx_.tap.acquire()); size != 0)
            ctx_.tap.commit({}, 0, size);
    ctx_.tap.flush();
}

/// The end of one guest and the coming of the next may be news of the same turn, in either order. While there is something to
/// read from one that goes, the next waits.
void worker::change_clients(instant now) noexcept
{
    if (stream_->over())
        let_client_go(now);
    if (std::exchange(client_waits_, false) && !stream_->ending())
        accept_client(now);
}

void worker::accept_client(instant now) noexcept
{
    auto client = os::accept_stream(clients_.get());
    if (!client && os::is_exhausted(client.error())) { // left waiting, it would wake us for ever
        plane_.give_up_spare_fd();
        client = os::accept_stream(clients_.get());
    }
    if (!client)
        return;
    if (stream_->attached()) {
        ctx_.report(event_kind::client_refused, now, {}, client->pid);
        client->fd.reset();
        if (!plane_.has_spare_fd())
            plane_.reserve_spare_fd();
        return;
    }
    ctx_.report(event_kind::client_accepted, now, {}, client->pid);
    if (!attach(std::move(client->fd)))
        let_client_go(now);
}

void worker::let_client_go(instant now) noexcept
{
    if (stream_->misunderstood())
        ctx_.report(event_kind::client_misunderstood, now, {});
    ctx_.report(event_kind::client_gone, now, {});
    stream_->detach(); // epoll forgets the descriptor with it
    shared_.guest_gone.store(true, std::memory_order_relaxed);
}

/// A few batches a turn, so that flows whose sockets are ready get their turn as well.
void worker::take_stream(instant now) noexcept
{
    for (int batches = 0; batches < stream_batches; ++batches) {
        plane_.process(ctx_.tap.receive(tap_queue::most_frames), now);
        if (!ctx_.tap.has_more())
            break;
    }
}

} // namespace tapioca
