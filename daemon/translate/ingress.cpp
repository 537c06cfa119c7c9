#include "daemon/translate/ingress.hpp"

#include "daemon/translate/to_guest.hpp"
#include "proto/icmp/refused.hpp"
#include "proto/responder/arp.hpp"
#include "proto/responder/dhcp.hpp"
#include "proto/responder/dhcpv6.hpp"
#include "proto/responder/ndp.hpp"
#include "proto/wire/dhcp.hpp"
#include "proto/wire/dhcpv6.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>

namespace tapioca {

using report::counter;

namespace {

constexpr std::size_t largest_frame = std::size_t{66} << 10;

/// What names the flow of a packet that has one.
std::optional<flow_key> flow_key_of(const packet& p) noexcept
{
    switch (p.kind) {
    case packet_kind::tcp:
        return key_of(p, wire::protocol_tcp);
    case packet_kind::udp:
        return key_of(p, wire::protocol_udp);
    case packet_kind::icmp:
    case packet_kind::icmpv6:
        if (const auto refused = parse_unreachable(p))
            return refused->key;
        if (const auto refused = refused_datagram(p))
            return refused;
        if (const auto about = parse_too_big(p))
            return about->key;
        return echo_translator::key_of(p);
    case packet_kind::arp:
    case packet_kind::fragment:
        break;
    }
    return std::nullopt;
}

/// What the user allows, but room for one datagram; none of it is touched before it is needed.
std::size_t fragment_octets_of(const flow_limits& limits) noexcept
{
    constexpr auto most = reassembler::most_datagrams * reassembler::slot_size;
    return limits.reassembly == 0 ? most : std::clamp(limits.reassembly, reassembler::slot_size, most);
}

bool tells_membership(const packet& p) noexcept
{
    if (p.kind != packet_kind::icmpv6 || p.l4.empty())
        return false;
    const octet type = p.l4[0];
    return (type >= wire::icmpv6_listener_query && type <= wire::icmpv6_listener_done) || type == wire::icmpv6_listener_report_v2;
}

bool is_for_server(const packet& p) noexcept
{
    return p.destination_port == (p.source.is_v4() ? wire::dhcp_server_port : wire::dhcpv6_server_port);
}

bool begins_connection(const packet& p) noexcept
{
    if (p.kind != packet_kind::tcp)
        return false;
    const auto s = wire::parse_tcp(p.l4, p.body);
    return s && s->begins_connection();
}

bool same_flow(const packet& a, const packet& b) noexcept
{
    return a.kind == b.kind && a.source_port == b.source_port && a.destination_port == b.destination_port &&
           a.destination == b.destination && a.source == b.source;
}

} // namespace

ingress::ingress(context& ctx, tcp_translator& tcp, udp_translator& udp, echo_translator& echo)
    : ctx_(ctx), tcp_(tcp), udp_(udp), echo_(echo), fragment_memory_(fragment_octets),
      joined_memory_(most_frames * largest_frame),
      fragments_(fragment_memory_.as<octet>().first(fragment_octets_of(ctx.config->limits)))
{
}

std::size_t ingress::process(std::span<const rx_frame> frames, instant now) noexcept
{
    count_ = 0;
    for (const auto& frame : frames.first(std::min(frames.size(), most_frames)))
        accept(frame, now);
    std::size_t ours = 0;
    for (auto& each : std::span{batch_}.first(count_))
        ours += !(each.done = hand_over(each));
    dispatch_all(now);
    return ours;
}

void ingress::take_over(const rx_frame& frame, const detour& way, instant now) noexcept
{
    count_ = 0;
    accept(frame, now);
    if (count_ == 0)
        return;
    auto& taken = batch_.front();
    const bool may_follow = way.spoken_at && taken.frame.packet.kind == packet_kind::tcp;
    const auto key = key_of(taken.frame.packet, wire::protocol_tcp);
    if (may_follow)
        tcp_.follow(key, *way.spoken_at, now);
    if (way.flows_move && (taken.done = hand_over(taken))) // it has moved, with this frame or before it
        return;
    dispatch_all(now);
    if (may_follow)
        tcp_.note_stray(key);
}

void ingress::accept(const rx_frame& frame, instant now) noexcept
{
    const auto p = look_at(frame);
    if (!p)
        return drop(frame, p.why());
    if (is_for_another(*p))
        return drop(frame, drop_reason::other_station);
    learn(*p, now);
    if (ctx_.config->trace)
        if (const auto key = flow_key_of(*p))
            ctx_.report(report::event_kind::packet_from_guest, now, *key);
    batch_[count_++] = {{*p, frame.vnet, &frame}, false};
}

void ingress::drop(const rx_frame& frame, drop_reason why) noexcept { drop(guest_packet{{}, frame.vnet, &frame}, why); }

void ingress::drop(const guest_packet& packet, drop_reason why) noexcept
{
    const guest_packet* const alone[] = {&packet};
    const at_hand it{ctx_, alone};
    ctx_.counters.drop(why);
}

/// Segments of TCP stay in pieces; whatever else came in some is put together, as is a frame whose headers are longer than what
/// we were given of them.
parsed<packet> ingress::look_at(const rx_frame& frame) noexcept
{
    const auto p = classify(frame.octets, frame.body);
    if (frame.body.octets == 0 || (p && p->kind == packet_kind::tcp && !p->l4.empty()))
        return p;
    if (frame.length() > largest_frame)
        return drop_reason::tap_truncated;
    writer joined{joined_memory_.as<octet>().subspan(count_ * largest_frame, largest_frame)};
    joined.put(frame.octets);
    frame.body.each(0, frame.body.octets, [&](bytes_view part) { joined.put(part); });
    return classify(joined.written());
}

/// What a bridge in the guest floods may be for another station behind it, which deals with it. An interface without ARP sends to
/// its own address, and there are guests that send to none.
bool ingress::is_for_another(const packet& p) const noexcept
{
    const auto& to = p.destination_mac;
    return to != ctx_.config->net.our_mac && !to.is_multicast() && to != p.source_mac && !to.is_zero();
}

void ingress::dispatch_all(instant now) noexcept
{
    run frames;
    for (std::size_t i = 0; i < count_; ++i)
        if (!batch_[i].done)
            dispatch({frames.data(), gather(i, frames)}, now);
}

/// Packets of flows that another worker owns go there, as do new connections for which another one is the better place. True if
/// this one did, or was lost on the way.
bool ingress::hand_over(const pending& p) noexcept
{
    if (ctx_.others == nullptr)
        return false;
    const auto& packet = p.frame.packet;
    const auto key = flow_key_of(packet);
    if (!key || owns(*key))
        return false;
    auto owner = ctx_.others->owner(hash_of(*key, ctx_.config->secret));
    if (!owner && key->protocol == wire::protocol_udp)
        owner = udp_.place_of(*key);
    const auto to = owner || !begins_connection(packet) ? owner : ctx_.others->better_place(flow_origin::guest, key->remote_port);
    if (!to)
        return false;
    if (owner)
        ctx_.counters.add(counter::steering_missed);
    if (p.frame.whole == nullptr ? ctx_.others->hand_over(*to, packet) : ctx_.others->hand_over(*to, *p.frame.whole))
        ctx_.counters.add(owner ? counter::frames_handed_over : counter::connections_handed_over);
    else
        drop(p.frame, drop_reason::mailbox_full);
    return true;
}

bool ingress::owns(const flow_key& key) noexcept
{
    switch (key.protocol) {
    case wire::protocol_tcp:
        return tcp_.owns(key);
    case wire::protocol_udp:
        return udp_.owns(key);
    default:
        return echo_.owns(key);
    }
}

/// All frames of the batch that belong to the flow of frame `first`, in order: they are dealt with together.
std::size_t ingress::gather(std::size_t first, run& frames) noexcept
{
    std::size_t count = 0;
    for (std::size_t i = first; i < count_; ++i) {
        if (batch_[i].done || !same_flow(batch_[first].frame.packet, batch_[i].frame.packet))
            continue;
        batch_[i].done = true;
        frames[count++] = &batch_[i].frame;
    }
    return count;
}

template <class Take>
void ingress::each_alone(std::span<const guest_packet* const> packets, Take take) noexcept
{
    for (const auto& each : packets) {
        ctx_.at_hand = {&each, 1};
        take(each->packet);
    }
}

/// Packets of one kind between two endpoints, or two nodes: fresh ones, or one that came in fragments.
void ingress::dispatch(std::span<const guest_packet* const> packets, instant now) noexcept
{
    const at_hand these{ctx_, packets};
    const auto& first = packets.front()->packet;
    const bool v4 = first.kind == packet_kind::arp || first.source.is_v4();
    if (!(v4 ? ctx_.config->net.ipv4 : ctx_.config->net.ipv6))
        return ctx_.counters.drop(drop_reason::family_disabled, packets.size());
    switch (first.kind) {
    case packet_kind::tcp:
        if (ctx_.config->tcp)
            return tcp_.from_guest(packets, now);
        break;
    case packet_kind::udp:
        if (is_for_server(first))
            return each_alone(packets, [this](const packet& p) { answer_server(p); });
        if (ctx_.config->udp)
            return udp_.from_guest(packets, now);
        break;
    case packet_kind::icmp:
    case packet_kind::icmpv6:
        return each_alone(packets, [&](const packet& p) { take_icmp(p, now); });
    case packet_kind::arp:
        return each_alone(packets, [this](const packet& p) { answer_arp(p); });
    case packet_kind::fragment:
        return each_alone(packets, [&](const packet& p) { take_fragment(p, now); });
    }
    ctx_.counters.drop(drop_reason::protocol_disabled, packets.size());
}

/// DHCP and DHCPv6 are ours alone.
void ingress::answer_server(const packet& p) noexcept
{
    const auto datagram = wire::parse_udp(p.l4);
    if (!datagram)
        commit(datagram.why(), counter::dhcp_answers);
    else if (p.source.is_v4())
        answer_dhcp(p, datagram->payload);
    else if (const auto ip = wire::parse_ipv6(p.l3))
        commit(dhcpv6_respond(p.source_mac, *ip, *datagram, ctx_.config->net, ctx_.tap.acquire()), counter::dhcpv6_answers);
}

void ingress::take_icmp(const packet& p, instant now) noexcept
{
    if (p.kind == packet_kind::icmpv6 && answer_neighbour(p))
        return;
    if (tells_membership(p))
        return ctx_.counters.drop(drop_reason::group_membership);
    if (const auto refused = parse_unreachable(p); refused && ctx_.config->tcp)
        return tcp_.from_guest(*refused, now);
    if (const auto refused = refused_datagram(p))
        return udp_.on_refused_by_guest(*refused, now);
    if (const auto about = parse_too_big(p))
        return take_too_big(*about, now);
    if (!ctx_.config->icmp)
        return ctx_.counters.drop(drop_reason::protocol_disabled);
    echo_.from_guest(p, now);
}

/// A link behind the guest is narrower than the guest's own. It is believed only if we have sent what is quoted (RFC 5927 section
/// 7.1), and if that is news.
void ingress::take_too_big(const too_big_packet& about, instant now) noexcept
{
    const auto& key = about.key;
    const bool tcp = key.protocol == wire::protocol_tcp;
    const bool ours = tcp                                  ? tcp_.is_on_its_way(key, about.seq)
                      : key.protocol == wire::protocol_udp ? udp_.owns(key)
                                                           : echo_.answers(key);
    if (!ours)
        return ctx_.counters.drop(drop_reason::no_flow);
    if (about.mtu < mtu_towards(ctx_, key.guest)) {
        ctx_.counters.add(counter::narrow_paths_learned);
        if (ctx_.guest.paths.learn(key.guest, about.mtu, now) == guest_paths::outcome::displaced)
            ctx_.counters.add(counter::narrow_paths_displaced);
    }
    if (tcp)
        tcp_.on_narrow_path(key, now);
}

void ingress::answer_arp(const packet& p) noexcept
{
    commit(arp_respond(p.source_mac, p.l3, ctx_.config->net, ctx_.tap.acquire()), counter::arp_answers);
}

void ingress::take_fragment(const packet& p, instant now) noexcept
{
    parsed<reassembled> whole = drop_reason::truncated;
    if (p.source.is_v4()) {
        if (const auto ip = wire::parse_ipv4(p.l3))
            whole = fragments_.add(*ip, now);
    } else if (const auto ip = wire::parse_ipv6(p.l3)) {
        whole = fragments_.add(*ip, now);
    }
    if (const auto evicted = fragments_.take_evicted(); evicted != 0) {
        const at_hand others{ctx_, {}};
        ctx_.counters.drop(drop_reason::fragment_no_memory, evicted);
    }
    if (!whole)
        return ctx_.counters.drop(whole.why());
    ctx_.counters.add(counter::reassembled);
    auto datagram = p;
    datagram.l4 = whole->payload;
    datagram.ttl = whole->ttl;
    datagram.tos = whole->tos;
    datagram.dont_fragment = whole->dont_fragment;
    const auto upper = classify_upper(datagram, whole->protocol);
    if (!upper)
        return ctx_.counters.drop(upper.why());
    if (!hand_over({{*upper, {}}}))
        take_over(*upper, now);
}

void ingress::take_over(const packet& reassembled, instant now) noexcept
{
    // The fragment that was missing stands for all, where we had it ourselves.
    const guest_packet whole{reassembled, {}, ctx_.at_hand.empty() ? nullptr : ctx_.at_hand.front()->whole};
    const guest_packet* const alone[] = {&whole};
    dispatch(alone, now);
}

void ingress::expire(instant now) noexcept
{
    ctx_.guest.paths.tell_time(now);
    if (const auto lost = fragments_.expire(now); lost != 0)
        ctx_.counters.drop(drop_reason::fragment_timeout, lost);
}

/// Sends an answer that a responder wrote into the slot, or counts why it stayed silent.
void ingress::commit(parsed<std::size_t> size, counter answered) noexcept
{
    if (!size)
        return ctx_.counters.drop(size.why());
    if (ctx_.tap.commit({}, 0, *size))
        ctx_.counters.add(answered);
}

} // namespace tapioca
