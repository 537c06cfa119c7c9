#include "daemon/tap/accept_client.hpp"

#include "daemon/os/stream_listener.hpp"

namespace tapioca {

using report::event_kind;

os::unique_fd accept_client(int listener, bool served, device_owner& owner, instant now) noexcept
{
    auto client = os::accept_stream(listener);
    if (!client && os::is_exhausted(client.error())) { // left waiting, it would wake us for ever
        owner.give_up_spare_fd();
        client = os::accept_stream(listener);
    }
    if (!client)
        return {};
    owner.tell(served ? event_kind::client_refused : event_kind::client_accepted, client->pid, now);
    if (!served)
        return std::move(client->fd);
    client->fd.reset();
    owner.keep_spare_fd();
    return {};
}

} // namespace tapioca
