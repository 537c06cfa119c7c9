// TCP comes to rest while its connections may leave for another host with their guest.

#include "daemon/plane/plane.hpp"

#include "daemon/os/tcp_repair.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca {

/// Listening sockets are kept: the sealed process could not have them again. Connections that wait in them wait on.
void plane::freeze() noexcept
{
    if (std::exchange(frozen_, true))
        return;
    for (auto i = listeners_.first_used(); i < listeners_.end_of_used(); ++i)
        if (const auto* l = listeners_.find(i); l != nullptr && l->name.protocol == wire::protocol_tcp) {
            (void)os::turn_deaf(l->fd());
            ctx_.poller.remove(l->fd());
        }
}

void plane::end_handshakes(instant now) noexcept
{
    for (auto i = listeners_.first_used(); i < listeners_.end_of_used(); ++i)
        if (const auto* l = listeners_.find(i); l != nullptr && l->name.protocol == wire::protocol_tcp)
            while (auto connection = os::accept(l->fd()))
                os::reset_on_close(connection->fd.get());
    tcp_.end_handshakes(now);
}

void plane::thaw(instant now) noexcept
{
    if (!std::exchange(frozen_, false))
        return;
    for (auto i = listeners_.first_used(); i < listeners_.end_of_used(); ++i)
        if (const auto* l = listeners_.find(i); l != nullptr && l->name.protocol == wire::protocol_tcp) {
            os::hear(l->fd());
            watch(i, now);
        }
    tcp_.thaw(now);
}

} // namespace tapioca
