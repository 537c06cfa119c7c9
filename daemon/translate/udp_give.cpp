// UDP flows that another process goes on with: one that takes our place on the same host, and gets the sockets themselves.
//
// A socket moves if it is bound as ours would be, and a flow if it would leave from that socket to the same peer here. Others are
// left behind: the guest's next datagram begins them anew, by the options of the new process.

#include "daemon/translate/given_socket.hpp"
#include "daemon/translate/resolvers.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>

namespace tapioca {
namespace {

migrate::udp_flow_state portable(const udp_flow& f, instant now) noexcept
{
    migrate::udp_flow_state s;
    s.head = f;
    s.renamed = f.renamed, s.asks_names = f.asks_names, s.passes_answers = f.passes_answers;
    s.peer = f.between.to;
    s.called = f.between.from;
    s.largest_segment = f.largest_segment;
    s.idle = now - f.life.last();
    s.counts = f.life.counted();
    s.octets = f.octets;
    return s;
}

migrate::udp_socket_state portable(const udp_port& p) noexcept
{
    migrate::udp_socket_state s;
    s.listens = p.listens;
    if (p.listens)
        s.through = {static_cast<octet>(p.through.side), p.through.rule, p.through.protocol, p.through.port};
    else
        s.key = p.key;
    s.ttl = p.ttl;
    s.flows = p.flows;
    return s;
}

} // namespace

void udp_translator::give(udp_receiver& to, instant now)
{
    std::vector<std::uint32_t> end(ports_.capacity()); // by slot of a port: behind its last flow in the list
    std::vector<const udp_flow*> list(flows_.size());
    std::uint32_t used = 0;
    ports_.for_each([&](const udp_port& p) {
        end[ports_.slot_of(p)] = used;
        used += p.flows;
    });
    flows_.for_each([&](const udp_flow& f) {
        if (f.port != udp_flow::no_port)
            list[end[f.port]++] = &f;
    });
    std::vector<migrate::udp_flow_state> flows;
    std::vector<migrate::query_state> queries;
    ports_.for_each([&](const udp_port& p) {
        if (p.flows == 0 || p.is_of_queries() || (!p.listens && p.fd < 0))
            return;
        flows.clear();
        queries.clear();
        for (const auto* f : std::span{list}.subspan(end[ports_.slot_of(p)] - p.flows, p.flows)) {
            flows.push_back(portable(*f, now));
            if (!f->asks_names)
                continue;
            const auto before = queries.size();
            queries_.each([&](const name_query& q) {
                if (q.flow == flows_.id_of(*f))
                    queries.push_back({q.ttl, q.tos, queries_.payload_of(q)});
            });
            flows.back().queries = static_cast<std::uint16_t>(queries.size() - before);
        }
        to.receive({portable(p), p.listens ? -1 : p.fd, flows, queries});
    });
}

std::size_t udp_translator::take(const given_udp& given, os::unique_fd fd, instant now) noexcept
{
    const auto& s = given.state;
    const listener_name through{rule_side::host, s.through.rule, s.through.port, s.through.protocol};
    auto* p = s.listens ? listening_port(through) : take_port(s, std::move(fd), given.flows.front().peer.address);
    if (p == nullptr)
        return 0;
    std::size_t taken = 0;
    auto queries = given.queries;
    for (const auto& state : given.flows) {
        if (const auto* f = take_flow(state, *p, now)) {
            ++taken;
            for (const auto& q : queries.first(state.queries))
                take_query(*f, q, now);
        }
        queries = queries.subspan(state.queries);
    }
    release_if_idle(*p);
    return taken;
}

/// `to`: whither one of its flows leads.
udp_port* udp_translator::take_port(const migrate::udp_socket_state& s, os::unique_fd fd, const ip_address& to) noexcept
{
    if (ports_.find(s.key) != nullptr || !is_bound_for(fd.get(), path_to(*ctx_.config, to)))
        return nullptr;
    auto* p = insert_port(s.key);
    if (p == nullptr)
        return nullptr;
    p->ttl = s.ttl;
    p->fd = fd.release();
    if (ctx_.poller.add(p->fd, token_of(*p), os::trigger::edge_input)) // which tells of what has come meanwhile
        return p;
    release_if_idle(*p);
    return nullptr;
}

/// Null: it is left behind.
udp_flow* udp_translator::take_flow(const migrate::udp_flow_state& s, udp_port& p, instant now) noexcept
{
    const auto& key = s.head.key;
    if (owns(key) || !leads_there(s, p))
        return nullptr;
    auto* f = open_flow(s.head, key, {s.peer, {}}, now, p.listens ? endpoint{s.called, p.through.port} : endpoint{});
    if (f == nullptr)
        return nullptr;
    f->renamed = s.renamed, f->asks_names = s.asks_names, f->passes_answers = s.passes_answers;
    renamed_ += f->renamed;
    f->largest_segment = s.largest_segment;
    f->octets = s.octets;
    f->life = pseudo_connection{s.counts, now - s.idle};
    join(*f, p, {s.peer, s.called, path_to(*ctx_.config, s.peer.address).scope});
    arm(*f);
    return f;
}

/// It is asked once more, of the resolvers that there are here: whichever answer comes first is the guest's.
void udp_translator::take_query(const udp_flow& f, const migrate::query_state& s, instant now) noexcept
{
    const auto m = wire::parse_dns(s.message);
    auto* q = m ? queries_.insert(flows_.id_of(f), f.port, *m, s.message) : nullptr;
    if (q == nullptr)
        return;
    q->ttl = s.ttl, q->tos = s.tos;
    q->began = now;
    q->generation = resolvers_of(ctx_, f.key.remote.family()).generation() - 1;
    q->note_asked(f.between.to.address);
    queries_.set_due(*q, now);
}

/// Whether the flow would have that peer if it began here, and answers of the peer would find it.
bool udp_translator::leads_there(const migrate::udp_flow_state& s, const udp_port& p) const noexcept
{
    const auto& key = s.head.key;
    const bool asks = key.remote_port == wire::dns_port && !s.head.from_peer() && asks_names(ctx_, key);
    if (takes_query(key) || asks != s.asks_names)
        return false;
    if (p.listens)
        return s.head.from_peer() || asks || peer_of(key) == s.peer;
    const auto called = called_addresses(ctx_.config->address_map, wire::protocol_udp, s.peer);
    return key.remote_port == s.peer.port && (asks || std::ranges::find(called, key.remote) != called.end()) &&
           key_of_port(key, s.peer.address, p.key.remote_port) == p.key;
}

} // namespace tapioca
