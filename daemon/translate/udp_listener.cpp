// Datagrams of peers at listening sockets: they begin flows, or belong to flows that have no socket of their own. What goes from
// loopback to loopback is not for the tap.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_splice.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/protocol.hpp"

#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

flow_key key_of(const inbound& seen) noexcept
{
    return {seen.guest, seen.source.address, seen.destination.port, seen.source.port, wire::protocol_udp};
}

/// The host keeps the address or the port from us: privileged, taken by another, or not there (yet).
bool is_refused_address(int error) noexcept { return error == EACCES || error == EADDRINUSE || error == EADDRNOTAVAIL; }

} // namespace

std::optional<inbound> udp_translator::as_seen_by_guest(const listener_name& through, const endpoint& peer,
                                                        const ip_address& to) const noexcept
{
    return inbound_endpoints(ctx_.config.xlat, ctx_.rule_of(through), through.port, peer, to, ctx_.guest.addresses());
}

udp_flow* udp_translator::open_from_peer(const flow_key& key, const listener_name& through, const os::incoming& in,
                                         instant now) noexcept
{
    auto* f = insert(key, now, flow_origin::peer, {in.destination, through.port});
    if (f == nullptr)
        return nullptr;
    f->through = through;
    f->between = {in.source, in.local, scope_of(in.source.address)};
    const auto any = in.source.address.is_v4() ? ip_address::v4(0) : ip_address{};
    const auto done = connect(*f, {in.local.is_unspecified() ? any : in.local, through.port}, in.source, default_ttl_);
    if (done)
        return f;
    if (!is_refused_address(done.error().value())) {
        fail(*f, done.error().value(), now);
        return nullptr;
    }
    os::close(std::exchange(f->fd, -1));
    f->through_listener = true;
    return f;
}

void udp_translator::take_from_peer(const listener_name& through, const os::incoming& in, octet* payload, instant now) noexcept
{
    if (in.truncated)
        return ctx_.counters.drop(drop_reason::truncated);
    const auto seen = as_seen_by_guest(through, in.source, in.destination);
    if (!seen)
        return ctx_.counters.drop(drop_reason::no_translation);
    const auto key = key_of(*seen);
    auto* f = flows_.find(key);
    if (f == nullptr)
        f = open_from_peer(key, through, in, now);
    if (f == nullptr)
        return;
    f->life.on_peer(now, 1);
    arm(*f);
    auto shown = key;
    shown.guest = seen->destination.address;
    send_udp(ctx_, shown, payload, in.length);
}

void udp_translator::from_listener(int fd, const listener_name& name, instant now) noexcept
{
    for (int batches = 0; batches < limits::listener_batches; ++batches) {
        if (splice_ != nullptr && splice_->lacks_sockets())
            return; // what came waits in the listening socket
        std::array<bytes_span, os::few_received> into;
        for (std::size_t i = 0; i < into.size(); ++i)
            into[i] = room(i);
        std::array<os::incoming, os::few_received> got;
        const auto count = os::receive_batch(fd, into, got, os::want_addresses::yes);
        if (!count)
            return relay_listener_errors(fd, name);
        for (std::size_t i = 0; i < *count; ++i) {
            if (splice_ != nullptr && splice_->takes(name, got[i].source))
                splice_->from_listener(name, got[i], into[i].first(got[i].length), now);
            else if (name.side == rule_side::guest || ctx_.config.splice_only)
                ctx_.counters.drop(drop_reason::no_translation);
            else
                take_from_peer(name, got[i], into[i].data(), now);
        }
        if (*count < os::few_received)
            return;
    }
}

/// What the network says about answers that left through a listening socket. Left in the queue, the entries would wake us for
/// ever.
void udp_translator::relay_listener_errors(int fd, const listener_name& through) noexcept
{
    std::array<octet, 1280> quoted;
    for (int i = 0; i < limits::errors_per_turn; ++i) {
        const auto entry = os::take_queued_error(fd, quoted);
        if (!entry)
            break;
        const auto seen = through.side == rule_side::host ? as_seen_by_guest(through, entry->destination, {}) : std::nullopt;
        const auto* f = seen ? flows_.find(key_of(*seen)) : nullptr;
        if (f != nullptr)
            relay_error(ctx_, f->key, *entry, entry->destination.address, bytes_view{quoted}.first(entry->length));
    }
    (void)os::take_error(fd);
}

void udp_translator::on_refused_by_guest(const flow_key& key, instant now) noexcept
{
    ctx_.counters.add(counter::udp_refused_by_guest);
    if (auto* f = flows_.find(key); f != nullptr && f->from_peer)
        close(*f, now);
}

} // namespace tapioca
