// Connections of the guest to our name service: to one resolver after the other, until one accepts. The guest sees none of it:
// its SYN is answered when one has.
//
// Only silence and unreachable resolvers speak against them for other queries: one that refuses connections may do all it has to
// over UDP, and what happens at port 853 says nothing about port 53.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/resolvers.hpp"
#include "daemon/translate/tcp_translator.hpp"
#include "proto/wire/dns.hpp"

#include <cerrno>
#include <utility>

namespace tapioca {

using report::counter;

/// The connection is about to be made to that resolver; others may follow.
void tcp_translator::note_resolver(const tcp_flow& f, const ip_address& resolver, instant now) noexcept
{
    const auto& choice = resolvers_of(ctx_, f.key.remote.family());
    const auto which = choice.find(resolver);
    if (!which || choice.list().size() < 2)
        return;
    (void)asked_.add({.flow = flows_.id_of(f),
                      .tried = resolver_choice::bit(*which),
                      .current = static_cast<std::uint8_t>(*which),
                      .generation = choice.generation(),
                      .due = now + limits::resolver_connects});
}

/// The present resolver has failed with that error: the flow goes to the next that takes the connection. Nothing if there is
/// none, and then the error is the last one's.
std::optional<flow_alive> tcp_translator::ask_next_resolver(tcp_flow& f, int& error, instant now) noexcept
{
    auto* asked = asked_.find(flows_.id_of(f));
    if (asked == nullptr)
        return std::nullopt;
    auto& choice = resolvers_of(ctx_, f.key.remote.family());
    if (asked->generation != choice.generation())
        *asked = {.flow = asked->flow, .generation = choice.generation(), .due = asked->due};
    else
        note_resolver_failure(f, *asked, error, now);
    while (const auto which = choice.next(asked->tried, now)) {
        asked->tried |= resolver_choice::bit(*which);
        asked->current = static_cast<std::uint8_t>(*which);
        asked->due = now + limits::resolver_connects;
        os::close(std::exchange(f.fd, -1));
        f.error_queue = false;
        ctx_.counters.add(counter::name_queries_repeated);
        const auto progress = connect(f, {choice.list()[*which], f.key.remote_port}, usual_ttl);
        if (!progress) {
            error = progress.error().value();
            note_resolver_failure(f, *asked, error, now);
            continue;
        }
        if (*progress == os::connect_progress::connected)
            return finish_connect(f, now);
        if (f.connecting == 0)
            wait_for_host(f, now);
        return flow_alive::yes;
    }
    if (choice.list().empty())
        error = ECONNREFUSED;
    return std::nullopt;
}

void tcp_translator::note_resolver_failure(const tcp_flow& f, name_connect& asked, int error, instant now) noexcept
{
    if (error == ECONNREFUSED || f.key.remote_port != wire::dns_port)
        return;
    asked.silent |= resolver_choice::bit(asked.current);
    resolvers_of(ctx_, f.key.remote.family()).on_silence(asked.current, now);
}

/// The present resolver has accepted.
void tcp_translator::note_resolver_connected(const tcp_flow& f, instant now) noexcept
{
    const auto* asked = asked_.find(flows_.id_of(f));
    if (asked == nullptr)
        return;
    auto& choice = resolvers_of(ctx_, f.key.remote.family());
    if (asked->generation == choice.generation() && f.key.remote_port == wire::dns_port)
        choice.on_answer(asked->current, asked->silent, now);
    asked_.remove(asked->flow);
}

/// Goes on with connections whose resolver has been silent. The last one has all the time that the guest gives it.
void tcp_translator::go_on_with_resolvers(instant now) noexcept
{
    while (auto* asked = asked_.due(now)) {
        auto* f = flows_.find(asked->flow);
        if (f == nullptr) {
            asked_.remove(asked->flow);
            continue;
        }
        asked->due = instant::max();
        const auto& choice = resolvers_of(ctx_, f->key.remote.family());
        if (asked->generation != choice.generation() || choice.next(asked->tried, now))
            (void)refuse(*f, ETIMEDOUT, now);
    }
}

/// Whom the flow is being connected to.
ip_address tcp_translator::peer_of(const tcp_flow& f) noexcept
{
    if (const auto* asked = asked_.find(flows_.id_of(f)))
        if (const auto& choice = resolvers_of(ctx_, f.key.remote.family()); asked->generation == choice.generation())
            return choice.list()[asked->current];
    return outbound_destination(ctx_.config->address_map, wire::protocol_tcp, {f.key.remote, f.key.remote_port}).address;
}

} // namespace tapioca
