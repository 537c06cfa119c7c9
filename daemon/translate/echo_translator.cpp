#include "daemon/translate/echo_translator.hpp"

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "proto/forward/address_mapping.hpp"
#include "proto/icmp/echo.hpp"
#include "proto/wire/icmp.hpp"

#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

octet protocol_of(ip_family family) noexcept { return family == ip_family::ipv4 ? wire::protocol_icmp : wire::protocol_icmpv6; }

} // namespace

echo_translator::echo_translator(context& ctx, std::size_t capacity, instant start)
    : flows_of(ctx, capacity, start), list_memory_(2 * capacity * sizeof(slot_list::entry)),
      answered_(list_memory_.as<slot_list::entry>().first(capacity)),
      waiting_(list_memory_.as<slot_list::entry>().subspan(capacity))
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
    const auto key = key_of(p, request->identifier);
    auto* f = flows_.find(key);
    if (f == nullptr)
        f = open_or_answer(key, p, now);
    if (f == nullptr)
        return;
    if (ctx_.metering.is_on() && !ctx_.metering.lets_pass(p.l4.size(), now))
        return ctx_.counters.drop(drop_reason::egress_limit);
    note(*f, false, now);
    f->octets.from_guest += p.l4.size() - sizeof(wire::icmp_header);
    wheel_.arm_no_later(flows_.slot_of(*f), now + limits::echo_timeout);
    auto sent = send(*f, p);
    if (!sent && replace_socket(*f, sent.error().value(), now))
        sent = send(*f, p);
    if (!sent) {
        on_refused(*f, p, sent.error().value(), now);
        if (f->fd < 0)
            (void)close(*f, end_reason::socket_failed, now);
        return;
    }
    ctx_.counters.add(counter::echo_from_guest);
    if (f->answers_at_once) // local destinations, such as containers, answer inside the call
        f->answers_at_once = ctx_.tap.accepts_data() && relay_replies(*f, now) != 0;
}

os::result<std::size_t> echo_translator::send(echo_flow& f, const packet& p) noexcept
{
    set_options(f, p);
    const auto family = f.key.guest.family();
    const auto to = peer_of(f.key);
    const os::addressing between{{to, 0}, {}, path_to(*ctx_.config, to).scope};
    const os::outgoing out{.pieces = {&p.l4, 1}, .ttl = {}, .tos = {}, .between = &between};
    const auto sent = os::send_batch(f.fd, family, {&out, 1});
    if (sent || sent.error().value() == EAGAIN)
        return sent;
    return os::send_batch(f.fd, family, {&out, 1}); // the first error may be that of an earlier request
}

/// The host's loopback always answers, so the reply is made here: that needs neither a socket nor the permission for one.
void echo_translator::answer_for_host(const flow_key& key, bytes_view request) noexcept
{
    const auto reply = buffers_[0].first(request.size());
    std::memcpy(reply.data(), request.data(), request.size());
    turn_into_reply(key.guest.family(), reply);
    (void)relay_reply(key, reply);
}

ip_address echo_translator::peer_of(const flow_key& key) const noexcept
{
    return outbound_destination(ctx_.config->address_map, key.protocol, {key.remote, 0}).address;
}

/// Requests are few, so TTL, TOS and DF are socket options, set when they change.
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
    if (error == EMSGSIZE) {
        if (const auto mtu = relay_errors(f, now))
            send_too_big(ctx_, f.key, f.too_big.next(now), *mtu, about(p));
        return send_in_fragments(f, p);
    }
    ctx_.counters.drop(drop_reason::send_failed);
    note(f, true, now);
    report_failure(ctx_, f.key, error, about(p));
}

/// The request still goes out, while the guest learns the path's MTU.
void echo_translator::send_in_fragments(echo_flow& f, const packet& p) noexcept
{
    auto fragmentable = p;
    fragmentable.dont_fragment = false;
    if (send(f, fragmentable))
        ctx_.counters.add(counter::echo_from_guest);
    else
        ctx_.counters.drop(drop_reason::message_too_big);
}

guest_error echo_translator::about(const packet& p) noexcept
{
    auto error = about(p.l4);
    error.ttl = p.ttl;
    error.tos = p.tos;
    return error;
}

/// A message, or as much of it as is known.
guest_error echo_translator::about(bytes_view request) noexcept
{
    guest_error error;
    reader in{request};
    if (const auto h = in.take<wire::icmp_header>())
        error.sequence = h->sequence;
    error.payload = in.rest();
    error.payload_length = error.payload.size();
    return error;
}

/// What the network says about requests; and the path's MTU, if the kernel refused one because of that.
std::optional<std::uint32_t> echo_translator::relay_errors(echo_flow& f, instant now) noexcept
{
    const auto peer = peer_of(f.key);
    const auto mtu = take_queued_errors(f.fd, [&](const os::queued_error& entry, bytes_view quoted) {
        if (entry.destination.address != peer)
            return;
        note(f, true, now);
        relay_error(ctx_, f.key, entry, peer, about(quoted));
    });
    (void)os::take_error(f.fd);
    return mtu;
}

void echo_translator::from_socket(flow_id id, const os::event& e) noexcept
{
    auto* f = flows_.find(id);
    if (f == nullptr)
        return;
    f->errors = f->errors || e.error;
    list_ready(*f);
}

void echo_translator::end_turn(instant now) noexcept
{
    ready_.run(
        flows_, [this] { return ctx_.tap.accepts_data(); }, [&](echo_flow& f) { pump(f, now); });
}

/// Reads the socket until it is empty, the budget is spent, or the tap accepts no more.
void echo_translator::pump(echo_flow& f, instant now) noexcept
{
    if (std::exchange(f.errors, false))
        (void)relay_errors(f, now);
    for (std::size_t moved = 0; moved < limits::echo_replies_per_turn; moved += replies_at_once) {
        if (!ctx_.tap.accepts_data())
            break;
        if (relay_replies(f, now) < replies_at_once)
            return;
    }
    list_ready(f);
}

/// How many messages were taken from the socket; fewer than replies_at_once: it is empty.
std::size_t echo_translator::relay_replies(echo_flow& f, instant now) noexcept
{
    const auto got = buffers_.receive(f.fd, replies_at_once, os::want_addresses::yes);
    if (!got)
        return 0;
    const auto peer = peer_of(f.key);
    for (std::size_t i = 0; i < got->size(); ++i) {
        const auto& in = (*got)[i];
        if (in.source.address != peer || in.truncated)
            ctx_.counters.add(counter::echo_strays);
        else if (ctx_.metering.is_on() && !ctx_.metering.lets_pass(in.length, now))
            ctx_.counters.drop(drop_reason::egress_limit);
        else if (relay_reply(f.key, buffers_[i].first(in.length))) {
            note(f, true, now);
            f.octets.to_guest += in.length - sizeof(wire::icmp_header);
        } else
            ctx_.counters.drop(drop_reason::bad_type);
    }
    return got->size();
}

bool echo_translator::relay_reply(const flow_key& key, bytes_span message) noexcept
{
    if (!readdress_echo_reply(message, key.remote, key.guest, key.guest_port))
        return false;
    send_icmp(ctx_, key, message);
    return true;
}

void echo_translator::expire(instant now) noexcept
{
    end_idle(now, [](const auto& f) { return f.last + limits::echo_timeout; });
}

} // namespace tapioca
