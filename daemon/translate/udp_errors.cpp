// What the network says about datagrams of the guest.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/protocol.hpp"

#include <cerrno>

namespace tapioca {

/// The flow whose datagrams go there; null if there is none.
udp_flow* udp_translator::flow_to(udp_port& p, const endpoint& peer) noexcept
{
    if (auto* f = flows_.find(p.last); f != nullptr && f->port == ports_.slot_of(p) && f->between.to == peer)
        return f;
    if (!p.listens)
        return find_answered(p, peer);
    const auto seen = as_seen_by_guest(p.through, peer, {});
    if (!seen)
        return nullptr;
    auto* f = flows_.find({seen->guest, seen->source.address, seen->destination.port, seen->source.port, wire::protocol_udp});
    return f != nullptr && f->port == ports_.slot_of(p) ? f : nullptr;
}

/// Takes what is in the error queue, or it would wake us for ever, and relays what came from the network. If this host has said
/// that a datagram was too big for its path: that path's MTU.
std::optional<std::uint32_t> udp_translator::relay_errors(udp_port& p) noexcept
{
    const int fd = descriptor_of(p);
    std::optional<std::uint32_t> mtu;
    std::array<octet, 1280> quoted;
    for (int i = 0; i < limits::errors_per_turn; ++i) {
        const auto entry = os::take_queued_error(fd, quoted);
        if (!entry)
            break;
        if (!entry->from_network()) {
            if (entry->error == EMSGSIZE)
                mtu = entry->info;
        } else if (const auto* f = flow_to(p, entry->destination)) {
            relay_error(ctx_, f->key, *entry, entry->destination.address, bytes_view{quoted}.first(entry->length));
        }
    }
    (void)os::take_error(fd);
    return mtu;
}

} // namespace tapioca
