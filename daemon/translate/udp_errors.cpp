// What the network says about datagrams of the guest.

#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/protocol.hpp"

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

/// Relays what the network said. If this host has said that a datagram was too big for its path: that path's MTU.
std::optional<std::uint32_t> udp_translator::relay_errors(udp_port& p) noexcept
{
    const int fd = descriptor_of(p);
    const auto mtu = take_queued_errors(fd, [&](const os::queued_error& entry, bytes_view quoted) {
        if (p.asking != 0 && take_query_error(p, entry, quoted))
            return;
        if (const auto* f = flow_to(p, entry.destination))
            relay_error(ctx_, f->key, entry, entry.destination.address, {.payload = quoted, .payload_length = quoted.size()});
    });
    (void)os::take_error(fd);
    return mtu;
}

} // namespace tapioca
