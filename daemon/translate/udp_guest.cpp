// Datagrams of the guest on their way to sockets.

#include "daemon/translate/egress.hpp"
#include "daemon/translate/limits.hpp"
#include "daemon/translate/resolvers.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

constexpr octet multicast_ttl = 1; ///< what sockets give multicast by default: ip(7), RFC 3493 section 5.2

} // namespace

void udp_translator::from_guest(std::span<const guest_packet* const> run, instant now) noexcept
{
    const auto key = key_of(run.front()->packet, wire::protocol_udp);
    auto* f = flows_.find(key);
    if (f != nullptr && key.remote_port == wire::dns_port && !f->asks_names && !f->from_peer() && asks_names(ctx_, key)) {
        (void)close(*f, end_reason::replaced, now); // its peer was a resolver of the host, and is none any more
        f = nullptr;
    }
    const auto opening = f == nullptr ? destination_of(ctx_, key, now) : outbound_opening{};
    if (!opening)
        return refuse(key, opening.why(), run);
    while (f == nullptr) { // each datagram that gets no flow is counted, with its reason
        if (run.empty())
            return;
        ctx_.at_hand = run.first(1);
        f = open(key, *opening, run.front()->packet, now);
        if (f == nullptr)
            run = run.subspan(1);
    }
    if (f->asks_names)
        return take_queries(*f, run, now);
    if (ctx_.metering.is_on())
        run = let_pass(run, now);
    auto& b = batch_;
    b.piece_count = b.message_count = 0;
    for (const auto& frame : run.first(std::min(run.size(), b.pieces.size()))) {
        ctx_.at_hand = {&frame, 1};
        gather(*f, *frame, b);
    }
    ctx_.at_hand = run;
    for (std::size_t i = 0; i < b.message_count; ++i)
        f->life.on_guest(now, b.messages[i].run.segments());
    send(*f, b, now);
    arm(*f);
}

/// Datagrams for which there is no flow.
void udp_translator::refuse(const flow_key& key, drop_reason why, std::span<const guest_packet* const> run) noexcept
{
    if (why == drop_reason::no_resolver)
        return refuse_queries(key, run);
    ctx_.counters.drop(why, run.size());
    if (!is_denial(why))
        return;
    for (const auto* frame : run)
        tell_of_denial(ctx_, key, about(frame->packet));
}

guest_error udp_translator::about(const packet& p) noexcept
{
    guest_error e{.ttl = p.ttl, .tos = p.tos};
    if (const auto datagram = wire::parse_udp(p.l4))
        e.payload = datagram->payload;
    e.payload_length = e.payload.size();
    return e;
}

/// The first of them, as many as the rate of the egress policy lets pass; the others are dropped.
std::span<const guest_packet* const> udp_translator::let_pass(std::span<const guest_packet* const> run, instant now) noexcept
{
    std::size_t count = 0;
    while (count < run.size() && ctx_.metering.lets_pass(about(run[count]->packet).payload_length, now))
        ++count;
    if (count == run.size())
        return run;
    const at_hand dropped{ctx_, run.subspan(count)};
    ctx_.counters.drop(drop_reason::egress_limit, run.size() - count);
    return run.first(count);
}

/// Appends a frame to the last message, if that is treated alike, or begins another.
void udp_translator::gather(const udp_flow& f, const guest_packet& frame, batch& b) noexcept
{
    const auto& p = frame.packet;
    const auto datagram = wire::parse_udp(p.l4);
    if (!datagram)
        return ctx_.counters.drop(datagram.why());
    const auto octets = datagram->payload.size();
    const auto size = datagram_size(frame.vnet, octets);
    if (!size)
        return ctx_.counters.drop(size.why());
    const auto segment = *size;
    const auto fragments = p.dont_fragment ? os::fragmentation::refused : os::fragmentation::allowed;
    b.pieces[b.piece_count] = datagram->payload;
    if (b.message_count != 0 && segment <= f.largest_segment) {
        auto& last = b.messages[b.message_count - 1];
        const bool alike = last.ttl == p.ttl && last.tos == p.tos && last.fragments == fragments;
        if (alike && last.run.segment() <= f.largest_segment &&
            last.run.add(octets, segment, most_run_octets(p.source.is_v4()))) {
            ++last.count;
            ++b.piece_count;
            return;
        }
    }
    message m{static_cast<std::uint8_t>(b.piece_count++), 1, p.ttl, p.tos, fragments, {}};
    (void)m.run.add(octets, segment, octets);
    b.messages[b.message_count++] = m;
}

/// What the kernel gives a datagram that says nothing else. A listening socket was told nothing, and in IPv6 the route may know
/// better.
octet udp_translator::own_ttl(const udp_flow& f) noexcept
{
    if (f.between.to.address.is_multicast())
        return multicast_ttl;
    const auto& port = port_of(f);
    return port.listens && f.key.guest.is_v4() ? default_ttl_ : port.ttl;
}

os::outgoing udp_translator::outgoing_of(const udp_flow& f, std::span<const bytes_view> pieces, const message& m) noexcept
{
    os::outgoing out{.pieces = pieces, .segment = 0, .ttl = {}, .tos = {}, .between = &f.between};
    if (m.run.segments() > 1)
        out.segment = static_cast<std::uint16_t>(m.run.segment());
    if (m.ttl != own_ttl(f))
        out.ttl = m.ttl;
    if (m.tos != 0)
        out.tos = m.tos;
    return out;
}

/// What is sent for a flow, and fragmented alike.
struct udp_translator::flow_sender : datagram_sender {
    udp_translator& translator;
    udp_flow& flow;
    os::fragmentation fragments;
    instant now;

    [[nodiscard]] int descriptor() noexcept { return translator.descriptor_of(translator.port_of(flow)); }
    /// The interface that the socket is bound to is gone, or the socket itself, if that could not be made anew.
    [[nodiscard]] bool repair(int error) noexcept
    {
        auto& port = translator.port_of(flow);
        if (error != ENODEV && error != EBADF)
            return true;
        if (!translator.replace_socket(port, flow.between.to.address))
            return false;
        translator.allow_fragments(port, family, fragments);
        return true;
    }
    void on_refused(const os::outgoing& m, int error) noexcept
    {
        if (error == EMSGSIZE && fragments == os::fragmentation::refused)
            translator.on_too_big(flow, m, now);
        else
            translator.on_refused(flow, m, error);
    }
};

/// Consecutive messages that are fragmented alike go out with one call.
void udp_translator::send(udp_flow& f, const batch& b, instant now) noexcept
{
    const auto family = f.key.guest.family();
    for (auto left = std::span{b.messages}.first(b.message_count); !left.empty();) {
        const auto fragments = left.front().fragments;
        std::size_t count = 0, octets = 0;
        for (; count < left.size() && left[count].fragments == fragments; ++count) {
            out_[count] = outgoing_of(f, b.of(left[count]), left[count]);
            octets += left[count].run.octets();
        }
        left = left.subspan(count);
        f.octets.from_guest += octets;
        ctx_.count_from_guest(f, octets);
        allow_fragments(port_of(f), family, fragments);
        flow_sender s{{ctx_.counters, counter::udp_from_guest, family, f.largest_segment}, *this, f, fragments, now};
        send_datagrams(s, {out_.data(), count});
    }
}

guest_error udp_translator::about(const udp_flow& f, const os::outgoing& m) noexcept
{
    const auto payload = m.pieces.front();
    return {.ttl = m.ttl.value_or(own_ttl(f)), .tos = m.tos.value_or(0), .payload = payload, .payload_length = payload.size()};
}

void udp_translator::on_refused(const udp_flow& f, const os::outgoing& m, int error) noexcept
{
    ctx_.counters.drop(drop_reason::send_failed);
    report_failure(ctx_, f.key, error, about(f, m));
}

/// The datagram is sent nevertheless, in fragments, so that nothing is lost while the guest learns the path's MTU.
void udp_translator::on_too_big(udp_flow& f, const os::outgoing& m, instant now) noexcept
{
    const auto family = f.key.guest.family();
    auto& port = port_of(f);
    if (const auto mtu = relay_errors(port))
        send_too_big(ctx_, f.key, f.too_big.next(now), *mtu, about(f, m));
    allow_fragments(port, family, os::fragmentation::allowed);
    if (os::send_batch(descriptor_of(port), family, {&m, 1}))
        ctx_.counters.add(counter::udp_from_guest);
    else
        ctx_.counters.drop(drop_reason::message_too_big);
    allow_fragments(port, family, os::fragmentation::refused);
}

void udp_translator::allow_fragments(udp_port& p, ip_family family, os::fragmentation fragments) noexcept
{
    auto& set = p.fragments[static_cast<std::size_t>(family)];
    if (set == fragments)
        return;
    set = fragments;
    if (!os::set_fragmentation(descriptor_of(p), family, fragments))
        set.reset();
}

void udp_translator::on_refused_by_guest(const flow_key& key, instant now) noexcept
{
    ctx_.counters.add(counter::udp_refused_by_guest);
    if (auto* f = flows_.find(key); f != nullptr && f->from_peer())
        (void)close(*f, end_reason::refused_by_guest, now);
}

} // namespace tapioca
