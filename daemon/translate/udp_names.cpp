// Queries of the guest to our name service over UDP: one resolver of the host after the other is asked, until one answers.
//
// The next one is asked when the one before has been silent for a while, cannot be reached, or has said nothing about the name
// (wire::says_nothing). Whichever of them answers first answers the guest, from the address that the guest has asked; what comes
// later is dropped. Only if nobody has more to say does the guest hear of a failure: the last one's own words, or ours.
//
// A flow leaves from one socket, so only resolvers are asked that can be reached through the same interface. What is no query,
// or is not kept for want of room, goes to the resolver that the flow began with, as if that were the only one.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/resolvers.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>

namespace tapioca {

using report::counter;
using wire::dns_port;

/// The query's way to one resolver.
struct udp_translator::query_sender : datagram_sender {
    udp_translator& translator;
    udp_flow& flow;
    const ip_address& resolver;
    int refused_with = 0; ///< errno

    [[nodiscard]] int descriptor() noexcept { return translator.descriptor_of(translator.port_of(flow)); }
    [[nodiscard]] bool repair(int error) noexcept
    {
        if (error != ENODEV && error != EBADF)
            return true;
        return translator.replace_socket(translator.port_of(flow), resolver);
    }
    void on_refused(const os::outgoing& /*m*/, int error) noexcept { refused_with = error; }
};

/// Datagrams of a flow to our name service.
void udp_translator::take_queries(udp_flow& f, std::span<const guest_packet* const> run, instant now) noexcept
{
    for (const auto* frame : run) {
        const auto datagram = wire::parse_udp(frame->packet.l4);
        const auto size = datagram ? datagram_size(frame->vnet, datagram->payload.size()) : datagram.why();
        if (!size) {
            ctx_.counters.drop(size.why());
            continue;
        }
        const auto query = wire::parse_dns(datagram->payload);
        const bool whole = *size == datagram->payload.size();
        if (!whole || !query || query->answers || !ask(f, *query, datagram->payload, frame->packet, now)) {
            if (!resolvers_of(ctx_, f.key.remote.family()).find(f.between.to.address)) { // it is none any more
                ctx_.counters.drop(drop_reason::no_resolver);
                continue;
            }
            f.passes_answers = true;
            auto& b = batch_;
            b.piece_count = b.message_count = 0;
            gather(f, *frame, b);
            send(f, b, now);
        }
        f.life.on_guest(now, datagrams_in(datagram->payload.size(), *size));
    }
    arm(f);
}

/// A query of the guest, perhaps one that it repeats: that goes to the next resolver, or all are asked anew. False if it cannot
/// be kept.
bool udp_translator::ask(udp_flow& f, const wire::dns_message& m, bytes_view payload, const packet& p, instant now) noexcept
{
    auto* q = queries_.find(flows_.id_of(f), m.id);
    if (q != nullptr && !std::ranges::equal(queries_.payload_of(*q), payload)) {
        queries_.erase(*q); // its id has been given to another
        q = nullptr;
    }
    if (q == nullptr && (q = queries_.insert(flows_.id_of(f), f.port, m, payload)) == nullptr)
        return false;
    auto& choice = resolvers_of(ctx_, f.key.remote.family());
    if (q->generation != choice.generation() || !choice.next(q->tried, now))
        begin_round(*q, choice);
    f.octets.from_guest += payload.size();
    q->ttl = p.ttl;
    q->tos = p.tos;
    q->began = now;
    ask_next(f, *q, now);
    return true;
}

void udp_translator::begin_round(name_query& q, const resolver_choice& choice) noexcept
{
    q.generation = choice.generation();
    q.tried = q.refused = q.unreached = 0;
}

/// Asks the next resolver that takes the query. If there is none, it waits for those that were asked, or fails.
void udp_translator::ask_next(udp_flow& f, name_query& q, instant now) noexcept
{
    auto& choice = resolvers_of(ctx_, f.key.remote.family());
    const auto way = path_to(*ctx_.config, f.between.to.address).interface;
    while (const auto which = choice.next(q.tried, now)) {
        const auto& resolver = choice.list()[*which];
        q.tried |= resolver_choice::bit(*which);
        const bool reached = path_to(*ctx_.config, resolver).interface == way;
        if (reached && send_query(f, q, resolver)) {
            q.current = static_cast<std::uint8_t>(*which);
            q.sent = now;
            q.note_asked(resolver);
            return queries_.set_due(q, choice.next(q.tried, now) ? now + limits::resolver_silence : end_of(q));
        }
        q.unreached |= resolver_choice::bit(*which);
        if (reached)
            choice.on_silence(*which, now);
    }
    if (q.is_everywhere_failed() || now >= end_of(q))
        fail_query(f, q);
    else
        queries_.set_due(q, end_of(q));
}

/// Until when answers are of use to the guest. Where one has said that it knows nothing, the others are not waited for as long.
instant udp_translator::end_of(const name_query& q) noexcept
{
    const auto end = q.began + limits::query_patience;
    return q.refused == 0 ? end : std::min(end, q.sent + limits::refused_query_patience);
}

/// False if the host has refused the datagram.
bool udp_translator::send_query(udp_flow& f, name_query& q, const ip_address& resolver) noexcept
{
    const auto family = f.key.guest.family();
    const auto payload = queries_.payload_of(q);
    const os::addressing between{{resolver, dns_port}, {}, path_to(*ctx_.config, resolver).scope};
    os::outgoing out{.pieces = {&payload, 1}, .segment = 0, .ttl = {}, .tos = {}, .between = &between};
    if (q.ttl != own_ttl(f))
        out.ttl = q.ttl;
    if (q.tos != 0)
        out.tos = q.tos;
    allow_fragments(port_of(f), family, os::fragmentation::allowed);
    const auto counted = q.asked.empty() ? counter::udp_from_guest : counter::name_queries_repeated;
    query_sender s{{ctx_.counters, counted, family, f.largest_segment}, *this, f, resolver};
    send_datagrams(s, {&out, 1});
    q.error = static_cast<std::uint16_t>(s.refused_with);
    return s.refused_with == 0;
}

/// Nobody answers: the guest hears what its own system would say of a network like that, and nothing if all were silent.
void udp_translator::fail_query(udp_flow& f, name_query& q) noexcept
{
    ctx_.counters.add(counter::name_queries_failed);
    const auto payload = queries_.payload_of(q);
    if (const auto query = wire::parse_dns(payload); query && (q.refused != 0 || q.tried == 0))
        answer_failure(f.key, *query, payload);
    else if (q.error != 0 && q.is_everywhere_failed())
        report_failure(ctx_, f.key, q.error, {.ttl = q.ttl, .tos = q.tos, .payload = payload, .payload_length = payload.size()});
    queries_.erase(q);
}

/// Tells the guest that its query failed.
void udp_translator::answer_failure(const flow_key& key, const wire::dns_message& query, bytes_view payload) noexcept
{
    std::array<octet, tap_headroom + wire::longest_server_failure> room;
    const auto into = bytes_span{room}.subspan(tap_headroom);
    send_udp(ctx_, key, into.data(), wire::make_server_failure(payload, query, into));
}

/// Datagrams to our name service while the host has no resolver.
void udp_translator::refuse_queries(const flow_key& key, std::span<const guest_packet* const> run) noexcept
{
    for (const auto* frame : run) {
        const auto datagram = wire::parse_udp(frame->packet.l4);
        const auto query = datagram ? wire::parse_dns(datagram->payload) : datagram.why();
        if (key.remote_port != dns_port || !query || query->answers) {
            ctx_.counters.drop(drop_reason::no_resolver);
            continue;
        }
        ctx_.counters.add(counter::name_queries_failed);
        answer_failure(key, *query, datagram->payload);
    }
}

/// Goes on with queries whose resolver has been silent or has failed, and with all if the list has changed.
void udp_translator::go_on_with_queries(instant now) noexcept
{
    const bool news = queries_asked_by_ != ctx_.config;
    queries_asked_by_ = ctx_.config;
    if (queries_.empty() || (!news && now < queries_.next_deadline()))
        return;
    queries_.each([&](name_query& q) {
        auto& f = *flows_.find(q.flow); // which takes its queries with it
        auto& choice = resolvers_of(ctx_, f.key.remote.family());
        if (q.generation != choice.generation()) {
            begin_round(q, choice);
            return ask_next(f, q, now);
        }
        if (now < q.due)
            return;
        if ((q.refused & resolver_choice::bit(q.current)) == 0)
            choice.on_silence(q.current, now);
        ask_next(f, q, now);
    });
}

/// What may be answers at a port that queries have left from: one datagram, or several of a size. False if it is for others.
bool udp_translator::take_answers(udp_port& p, const os::incoming& in, bytes_span octets, instant now) noexcept
{
    const auto size = in.segment == 0 ? in.length : in.segment;
    for (std::size_t at = 0;; at += size) {
        const auto datagram = octets.subspan(at, std::min(size, in.length - at));
        const auto answer = wire::parse_dns(datagram);
        auto* q = answer ? queries_.find(ports_.slot_of(p), in.source.address, *answer) : nullptr;
        if (q != nullptr)
            take_answer(*q, in.source.address, *answer, datagram, now);
        else if (at != 0 || is_late(p, in.source))
            ctx_.counters.drop(drop_reason::late_answer);
        else
            return false;
        if (in.length - at <= size)
            return true;
    }
}

void udp_translator::take_answer(name_query& q, const ip_address& resolver, const wire::dns_message& answer, bytes_span datagram,
                                 instant now) noexcept
{
    auto& f = *flows_.find(q.flow);
    auto& choice = resolvers_of(ctx_, f.key.remote.family());
    const auto which = q.generation == choice.generation() ? choice.find(resolver) : std::nullopt;
    const auto own = which ? resolver_choice::bit(*which) : resolver_choice::set{};
    const bool is_current = which && *which == q.current;
    if (which) // those that were asked before the present one have been silent, unless they have refused
        choice.on_answer(*which, is_current ? static_cast<resolver_choice::set>(q.tried & ~q.refused) : own, now);
    if (wire::says_nothing(answer.rcode)) {
        q.refused |= own;
        q.unreached = static_cast<resolver_choice::set>(q.unreached & ~own);
        if (choice.next(q.tried, now) || !which)
            return is_current ? queries_.set_due(q, now) : void();
        if (!q.is_everywhere_failed())
            return queries_.set_due(q, end_of(q));
        ctx_.counters.add(counter::name_queries_failed);
    }
    f.life.on_peer(now, 1);
    arm(f);
    f.octets.to_guest += datagram.size();
    send_udp(ctx_, f.key, datagram.data(), datagram.size());
    queries_.erase(q);
}

/// The network has said that a resolver cannot be reached. False if no query went there.
bool udp_translator::take_query_error(udp_port& p, const os::queued_error& entry, bytes_view quoted) noexcept
{
    if (entry.error == EMSGSIZE || entry.destination.port != dns_port)
        return false;
    reader in{quoted};
    const auto id = in.take<be16>();
    bool found = false;
    queries_.each([&](name_query& q) {
        if (q.port != ports_.slot_of(p) || (id && *id != q.id) || !q.was_asked(entry.destination.address))
            return;
        found = true;
        const auto& f = *flows_.find(q.flow);
        const auto& choice = resolvers_of(ctx_, f.key.remote.family());
        const auto which = choice.find(entry.destination.address);
        if (!which || q.generation != choice.generation())
            return;
        q.unreached |= static_cast<resolver_choice::set>(resolver_choice::bit(*which) & q.tried);
        q.error = 0;
        if (*which == q.current)
            queries_.set_due(q, instant{}); // at once
        const bool was_last = q.tried == (1U << choice.list().size()) - 1;
        if (!was_last || !q.is_everywhere_failed() || q.refused != 0)
            return;
        ctx_.counters.add(counter::name_queries_failed);
        relay_error(ctx_, f.key, entry, entry.destination.address, {.payload = quoted, .payload_length = quoted.size()});
        queries_.erase(q);
    });
    return found || is_late(p, entry.destination);
}

/// A flow to our name service, from this port, in which datagrams that were not kept go to that resolver.
udp_flow* udp_translator::find_passing(const udp_port& p, const endpoint& resolver) noexcept
{
    for (const auto& a : ctx_.config->address_map.names(resolver.address.family()).forwarded) {
        auto* f = flows_.find({p.key.guest, a, p.key.guest_port, resolver.port, wire::protocol_udp});
        if (f != nullptr && f->port == ports_.slot_of(p) && f->passes_answers && f->between.to == resolver)
            return f;
    }
    return nullptr;
}

/// Whether what came from there, and answers no query that waits, can only be an answer to one that waits no more.
bool udp_translator::is_late(const udp_port& p, const endpoint& resolver) noexcept
{
    const bool asked_directly =
        flows_.find({p.key.guest, resolver.address, p.key.guest_port, resolver.port, wire::protocol_udp}) != nullptr;
    return !asked_directly && find_passing(p, resolver) == nullptr &&
           resolvers_of(ctx_, resolver.address.family()).find(resolver.address).has_value();
}

} // namespace tapioca
