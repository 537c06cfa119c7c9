// Which flow a datagram from a socket belongs to, and which datagrams may begin one.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca {
namespace {

/// How many port numbers are tried for a peer: two peers, or one that sends to two addresses, may have the same address and port
/// from the guest's view.
constexpr unsigned most_names = 8;

/// The number of the peer's port, or another above the privileged ones.
std::uint16_t name_of(std::uint16_t port, unsigned attempt) noexcept
{
    constexpr unsigned first = 1024, step = 7919; // a prime: all are different
    return attempt == 0 ? port : static_cast<std::uint16_t>(first + (port + attempt * step) % (65536 - first));
}

} // namespace

/// The flow of what arrived, perhaps a new one; null, which is counted, if it is not for the guest.
udp_flow* udp_translator::flow_of(udp_port& p, const os::incoming& in, instant now) noexcept
{
    if (auto* f = flows_.find(p.last); f != nullptr && is_between(*f, p, in))
        return f;
    udp_flow* f = nullptr;
    if (p.listens)
        f = find_or_open_inbound(p, in, now);
    else if ((f = find_answered(p, in.source)) == nullptr)
        f = open_answer(p, in, now);
    if (f != nullptr)
        p.last = flows_.id_of(*f);
    return f;
}

bool udp_translator::is_between(const udp_flow& f, const udp_port& p, const os::incoming& in) const noexcept
{
    return f.port == ports_.slot_of(p) && f.between.to == in.source &&
           (f.between.from.is_unspecified() || f.between.from == in.local);
}

/// The flow in which the guest has sent to that peer.
udp_flow* udp_translator::find_answered(const udp_port& p, const endpoint& peer) noexcept
{
    if (p.is_of_queries()) {
        auto* f = flows_.find({p.key.guest, p.key.remote, p.key.guest_port, wire::dns_port, wire::protocol_udp});
        return f != nullptr && f->port == ports_.slot_of(p) && f->between.to == peer ? f : nullptr;
    }
    for (const auto& called : called_addresses(ctx_.config->address_map, wire::protocol_udp, peer)) {
        auto* f = flows_.find({p.key.guest, called, p.key.guest_port, peer.port, wire::protocol_udp});
        if (f != nullptr && f->port == ports_.slot_of(p) && f->between.to == peer)
            return f;
    }
    return p.asking == 0 ? nullptr : find_passing(p, peer);
}

/// An answer from another port than the one that was asked (as TFTP's are, RFC 1350 section 4), or from a member of a group.
udp_flow* udp_translator::open_answer(udp_port& p, const os::incoming& in, instant now) noexcept
{
    const bool expected =
        p.groups != 0 || (!p.is_of_queries() && permissions_.find(permission_of(p, in.source.address)) != nullptr);
    const auto called = called_addresses(ctx_.config->address_map, wire::protocol_udp, in.source);
    if (!expected || in.source.port == 0 || called.empty() || !called[0].is_unicast() || called[0].is_loopback()) {
        ctx_.counters.drop(drop_reason::no_flow);
        return nullptr;
    }
    const flow_key key{p.key.guest, called[0], p.key.guest_port, in.source.port, wire::protocol_udp};
    auto* f = open_flow(flow_head{.key = key, .origin = flow_origin::peer}, key, {in.source, {}}, now);
    if (f != nullptr)
        join(*f, p, {in.source, {}, path_to(*ctx_.config, in.source.address).scope});
    return f;
}

std::optional<inbound> udp_translator::as_seen_by_guest(const listener_name& through, const endpoint& peer,
                                                        const ip_address& to) const noexcept
{
    constexpr instant no_matter; // which the policy asks for with flows of the guest only
    const auto opening = decide_inbound(*ctx_.config, ctx_.arrival_at(through, peer, to), ctx_.guest.addresses(), no_matter);
    return opening ? std::optional{opening->seen} : std::nullopt;
}

/// The guest tells flows apart by the peer's address and port as it sees them. Where another flow has those already, the peer's
/// port is renumbered.
udp_flow* udp_translator::find_or_open_inbound(udp_port& p, const os::incoming& in, instant now) noexcept
{
    const auto seen = as_seen_by_guest(p.through, in.source, in.destination);
    if (!seen) {
        ctx_.counters.drop(drop_reason::no_translation);
        return nullptr;
    }
    flow_key key{seen->guest, seen->source.address, seen->destination.port, 0, wire::protocol_udp};
    std::optional<unsigned> free;
    for (unsigned attempt = 0; attempt < most_names; ++attempt) {
        key.remote_port = name_of(seen->source.port, attempt);
        auto* f = flows_.find(key);
        if (f != nullptr && is_between(*f, p, in))
            return f;
        if (f == nullptr && !free)
            free = attempt;
        if (free && renamed_ == 0) // no flow has a renamed port
            break;
    }
    if (!free) {
        ctx_.counters.drop(drop_reason::no_translation);
        return nullptr;
    }
    key.remote_port = name_of(seen->source.port, *free);
    auto* f = open_flow(flow_head{.key = key, .origin = flow_origin::peer, .rule = p.through.rule}, key, {in.source, {}}, now,
                        {in.destination, p.through.port});
    if (f == nullptr)
        return nullptr;
    f->renamed = *free != 0;
    renamed_ += f->renamed;
    join(*f, p, {in.source, in.local, path_to(*ctx_.config, in.source.address).scope});
    return f;
}

} // namespace tapioca
