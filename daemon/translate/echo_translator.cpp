#include "daemon/translate/echo_translator.hpp"

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "proto/forward/rules.hpp"
#include "proto/icmp/echo.hpp"
#include "proto/wire/icmp.hpp"

#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

constexpr std::size_t room_octets = tap_headroom + tap_queue::largest_body;

octet protocol_of(ip_family family) noexcept { return family == ip_family::ipv4 ? wire::protocol_icmp : wire::protocol_icmpv6; }

} // namespace

echo_translator::echo_translator(context& ctx, std::size_t capacity, instant start)
    : ctx_(ctx), flow_memory_(flow_table<echo_flow>::memory_needed(capacity)),
      timer_memory_(capacity * sizeof(timer_wheel::node)), room_memory_(os::few_received * room_octets),
      flows_(flow_memory_.bytes(), capacity, ctx.config.secret), wheel_(timer_memory_.as<timer_wheel::node>(), start)
{
}

echo_translator::~echo_translator()
{
    flows_.for_each([](echo_flow& f) {
        if (f.fd >= 0)
            os::close(f.fd);
    });
}

std::optional<flow_key> echo_translator::key_of(const packet& p) noexcept
{
    const auto request = parse_echo_request(p.source.family(), p.l4);
    return request ? std::optional{key_of(p, request->identifier)} : std::nullopt;
}

flow_key echo_translator::key_of(const packet& p, std::uint16_t identifier) noexcept
{
    return {p.source, p.destination, identifier, 0, protocol_of(p.source.family())};
}

void echo_translator::from_guest(const packet& p, instant now) noexcept
{
    const auto family = p.source.family();
    const auto request = parse_echo_request(family, p.l4);
    if (!request)
        return ctx_.counters.drop(request.why());
    if (!p.source.is_unicast() || !p.destination.is_unicast())
        return ctx_.counters.drop(drop_reason::not_unicast);
    const auto key = key_of(p, request->identifier);
    if (peer_of(key).is_loopback()) {
        ctx_.counters.add(counter::echo_from_guest);
        return answer_for_host(key, p.l4);
    }
    auto* f = flows_.find(key);
    if (f == nullptr)
        f = open(key, p, now);
    if (f == nullptr)
        return;
    ctx_.counters.add(counter::echo_from_guest);
    f->last = now;
    wheel_.arm_no_later(flows_.slot_of(*f), now + limits::echo_timeout);
    set_options(*f, p);
    // The first refusal may be the fate of an earlier request, which the error queue tells, too.
    auto sent = os::send(f->fd, {&p.l4, 1});
    if (!sent && sent.error().value() != EAGAIN)
        sent = os::send(f->fd, {&p.l4, 1});
    if (!sent)
        return on_refused(*f, p, sent.error().value(), now);
    if (f->answers_at_once) // hosts that answer inside of the call: this one, and its containers
        f->answers_at_once = relay_replies(*f, now) != 0;
}

/// The host's loopback answers whoever asks, so nobody needs to be asked: that takes no socket, and no permission for one.
void echo_translator::answer_for_host(const flow_key& key, bytes_view request) noexcept
{
    const auto reply = room(0).first(request.size());
    std::memcpy(reply.data(), request.data(), request.size());
    turn_into_reply(key.guest.family(), reply);
    relay_reply(key, reply);
}

echo_flow* echo_translator::open(const flow_key& key, const packet& p, instant now) noexcept
{
    auto* f = ctx_.open_flow(flows_, key, now);
    if (f == nullptr)
        return nullptr;
    ctx_.counters.add(counter::echo_flows_opened);
    if (const auto done = connect(*f, p.ttl); !done) {
        const int error = done.error().value();
        ctx_.counters.drop(drop_reason::socket_failed);
        if (f->fd < 0 && (error == EACCES || error == EPERM)) { // not in ping_group_range
            if (!std::exchange(refusal_reported_, true))
                ctx_.report(report::event_kind::ping_refused, now, key, error);
        } else {
            ctx_.report(report::event_kind::socket_failed, now, key, error);
            if (const auto cause = cause_of(error, key.guest.family()))
                send_error(ctx_, key, about(p, *cause));
        }
        close(*f, now);
        return nullptr;
    }
    return f;
}

ip_address echo_translator::peer_of(const flow_key& key) const noexcept
{
    return outbound_destination(ctx_.config.xlat, key.protocol, {key.remote, 0}).address;
}

os::result<void> echo_translator::connect(echo_flow& f, octet ttl) noexcept
{
    const auto family = f.key.guest.family();
    auto fd = os::ping_socket(family);
    if (!fd)
        return fd.error();
    f.fd = fd->release();
    (void)os::set_receive_errors(f.fd, family, true);
    const auto to = peer_of(f.key);
    if (const auto name = ctx_.outbound_interface(to); !name.empty())
        if (const auto bound = os::bind_to_device(f.fd, name); !bound)
            return bound;
    auto from = ctx_.outbound(family);
    const bool chosen = !from.is_unspecified();
    if (!chosen && family == ip_family::ipv4)
        from = ip_address::v4(0);
    if (!os::bind(f.fd, {from, f.key.guest_port}) && chosen) // an identifier in use becomes another; an address must be ours
        if (const auto bound = os::bind(f.fd, {from, 0}); !bound)
            return bound;
    if (os::set_ttl(f.fd, family, ttl))
        f.ttl = ttl;
    if (const auto connected = os::connect(f.fd, {to, 0}, ctx_.scope_of(to)); !connected)
        return connected.error();
    return ctx_.poller.add(f.fd, token_of(source::echo_flow, flows_.id_of(f).value), os::trigger::edge_input);
}

/// Requests are few, so what they ask for is set on the socket when it changes.
void echo_translator::set_options(echo_flow& f, const packet& p) noexcept
{
    const auto family = f.key.guest.family();
    const auto fragments = p.dont_fragment ? os::fragmentation::refused : os::fragmentation::allowed;
    if (f.ttl != p.ttl && os::set_ttl(f.fd, family, p.ttl))
        f.ttl = p.ttl;
    if (f.tos != p.tos && os::set_tos(f.fd, family, p.tos))
        f.tos = p.tos;
    if (!f.fragments_known || f.fragments != fragments) {
        f.fragments = fragments;
        f.fragments_known = os::set_fragmentation(f.fd, family, fragments).has_value();
    }
}

void echo_translator::on_refused(echo_flow& f, const packet& p, int error, instant now) noexcept
{
    const auto family = f.key.guest.family();
    if (error == EMSGSIZE) {
        if (const auto mtu = os::path_mtu(f.fd, family))
            send_too_big(ctx_, f.key, f.too_big.next(now), *mtu, about(p, {}));
        return send_in_fragments(f, p);
    }
    ctx_.counters.drop(drop_reason::send_failed);
    if (const auto cause = cause_of(error, family))
        send_error(ctx_, f.key, about(p, *cause));
}

/// So that nothing is lost while the guest learns the path's MTU.
void echo_translator::send_in_fragments(echo_flow& f, const packet& p) noexcept
{
    const auto family = f.key.guest.family();
    f.fragments_known = os::set_fragmentation(f.fd, family, os::fragmentation::allowed).has_value();
    f.fragments = os::fragmentation::allowed;
    if (!os::send(f.fd, {&p.l4, 1}))
        ctx_.counters.drop(drop_reason::message_too_big);
}

guest_error echo_translator::about(const packet& p, const icmp_cause& cause) noexcept
{
    guest_error error{.cause = cause, .ttl = p.ttl, .tos = p.tos};
    if (const auto request = parse_echo_request(p.source.family(), p.l4))
        error.sequence = request->sequence;
    error.payload = p.l4.subspan(sizeof(wire::icmp_header));
    error.payload_length = error.payload.size();
    return error;
}

void echo_translator::from_socket(flow_id id, const os::event& e, instant now) noexcept
{
    auto* f = flows_.find(id);
    if (f == nullptr)
        return;
    if (e.error)
        relay_errors(ctx_, f->key, f->fd);
    (void)relay_replies(*f, now);
}

/// A message of any length fits, with its headers in front of it.
bytes_span echo_translator::room(std::size_t i) const noexcept
{
    return room_memory_.as<octet>().subspan(i * room_octets + tap_headroom, tap_queue::largest_body);
}

/// How many there were.
std::size_t echo_translator::relay_replies(echo_flow& f, instant now) noexcept
{
    std::array<bytes_span, os::few_received> into;
    for (std::size_t i = 0; i < into.size(); ++i)
        into[i] = room(i);
    std::array<os::incoming, os::few_received> got;
    const auto peer = peer_of(f.key);
    for (std::size_t all = 0;;) {
        const auto count = os::receive_batch(f.fd, into, got, os::want_addresses::yes);
        if (!count)
            return all;
        all += *count;
        f.last = now;
        for (std::size_t i = 0; i < *count; ++i) {
            if (got[i].source.address != peer || got[i].truncated)
                ctx_.counters.drop(drop_reason::no_flow);
            else
                relay_reply(f.key, into[i].first(got[i].length));
        }
        if (*count < os::few_received)
            return all;
    }
}

void echo_translator::relay_reply(const flow_key& key, bytes_span message) noexcept
{
    if (!readdress_echo_reply(message, key.remote, key.guest, key.guest_port))
        return ctx_.counters.drop(drop_reason::bad_type);
    send_icmp(ctx_, key, message);
}

void echo_translator::expire(instant now) noexcept
{
    wheel_.expire(now, [&](std::uint32_t slot) {
        auto* f = flows_.at_slot(slot);
        if (f == nullptr)
            return;
        if (now - f->last >= limits::echo_timeout)
            close(*f, now);
        else
            wheel_.arm(slot, f->last + limits::echo_timeout);
    });
}

void echo_translator::close(echo_flow& f, instant now) noexcept
{
    wheel_.cancel(flows_.slot_of(f));
    if (f.fd >= 0)
        os::close(f.fd);
    ctx_.counters.add(counter::echo_flows_closed);
    ctx_.close_flow(flows_, f, now);
}

} // namespace tapioca
