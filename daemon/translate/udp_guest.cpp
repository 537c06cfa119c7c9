// Datagrams of the guest on their way to sockets.
//
// A message that the kernel refuses is offered once more, as what it reported may have been an earlier datagram's fate (RFC 1122
// section 4.1.3.3: errors of the network reach the next call). What is still refused then is really this one.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

constexpr octet multicast_ttl = 1; ///< what sockets give multicast by default: ip(7), RFC 3493 section 5.2

/// Why a datagram of the guest starts no flow; nothing if it may.
std::optional<drop_reason> refused(const packet& p) noexcept
{
    if (p.source_port == 0 || p.destination_port == 0)
        return drop_reason::zero_port;
    if (p.source.is_unspecified() || p.destination.is_unspecified())
        return drop_reason::unspecified_address;
    if (!p.source.is_unicast())
        return drop_reason::not_unicast;
    return std::nullopt;
}

} // namespace

void udp_translator::from_guest(std::span<const guest_packet* const> run, instant now) noexcept
{
    const auto& p = run.front()->packet;
    const auto key = key_of(p, wire::protocol_udp);
    auto* f = flows_.find(key);
    if (f == nullptr)
        if (const auto why = refused(p))
            return ctx_.counters.drop(*why, run.size());
    while (f == nullptr) { // each datagram that gets no flow is counted, with its reason
        if (run.empty())
            return;
        f = open(key, run.front()->packet, now);
        if (f == nullptr)
            run = run.subspan(1);
    }
    auto& b = batch_;
    b.piece_count = b.message_count = 0;
    for (const auto* frame : run.first(std::min(run.size(), b.pieces.size())))
        gather(*f, *frame, b);
    for (std::size_t i = 0; i < b.message_count; ++i)
        f->life.on_guest(now, b.messages[i].run.segments());
    send(*f, b, now);
    arm(*f);
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

/// Consecutive messages that are fragmented alike go out with one call.
void udp_translator::send(udp_flow& f, const batch& b, instant now) noexcept
{
    const auto family = f.key.guest.family();
    auto& out = out_;
    for (std::size_t next = 0; next < b.message_count;) {
        const auto& m = b.messages[next];
        if (m.run.segments() > 1 && m.run.segment() > f.largest_segment) {
            send_singly(f, b.of(m), m, now);
            ++next;
            continue;
        }
        std::size_t count = 0;
        for (auto i = next; i < b.message_count && b.messages[i].fragments == m.fragments; ++i) {
            if (b.messages[i].run.segments() > 1 && b.messages[i].run.segment() > f.largest_segment)
                break;
            out[count++] = outgoing_of(f, b.of(b.messages[i]), b.messages[i]);
        }
        auto& port = port_of(f);
        allow_fragments(port, family, m.fragments);
        const auto sent = os::send_batch(descriptor_of(port), family, {out.data(), count});
        if (sent) {
            for (std::size_t i = 0; i < *sent; ++i)
                ctx_.counters.add(counter::udp_from_guest, b.messages[next + i].run.segments());
            next += *sent;
        } else {
            on_refused(f, b.of(m), m, sent.error().value(), now);
            ++next;
        }
    }
}

void udp_translator::on_refused(udp_flow& f, std::span<const bytes_view> pieces, const message& m, int error,
                                instant now) noexcept
{
    if (error == EAGAIN || error == ENOBUFS)
        return ctx_.counters.drop(drop_reason::send_failed, m.run.segments());
    auto& port = port_of(f);
    const bool lost = error == ENODEV || error == EBADF; // its interface, and then the socket, if that could not be made anew
    if (lost && !replace_socket(port, f.between.to.address))
        return ctx_.counters.drop(drop_reason::send_failed, m.run.segments());
    const auto out = outgoing_of(f, pieces, m);
    const auto again = os::send_batch(descriptor_of(port), f.key.guest.family(), {&out, 1});
    if (again)
        return ctx_.counters.add(counter::udp_from_guest, m.run.segments());

    const int reason = again.error().value();
    if (m.run.segments() > 1) { // beyond the path's MTU (EMSGSIZE or EINVAL), or a device without checksum offload (EIO)
        if (m.run.segments() <= segment_run::most_segments)
            f.largest_segment = reason == EIO ? std::uint16_t{0} : static_cast<std::uint16_t>(m.run.segment() - 1);
        return send_singly(f, pieces, m, now);
    }
    if (reason == EMSGSIZE && m.fragments == os::fragmentation::refused)
        return on_too_big(f, pieces.front(), m, now);
    ctx_.counters.drop(drop_reason::send_failed);
    if (const auto cause = cause_of(reason, f.key.guest.family())) {
        const guest_error e{
            .cause = *cause, .ttl = m.ttl, .tos = m.tos, .payload = pieces.front(), .payload_length = pieces.front().size()};
        send_error(ctx_, f.key, e);
    }
}

/// The datagrams of a run, one message each.
void udp_translator::send_singly(udp_flow& f, std::span<const bytes_view> pieces, const message& m, instant now) noexcept
{
    const auto family = f.key.guest.family();
    auto& port = port_of(f);
    allow_fragments(port, family, m.fragments);
    message single = m;
    single.count = 1;
    std::array<bytes_view, os::most_messages> cut;
    std::array<os::outgoing, os::most_messages> out;
    std::size_t count = 0;
    const auto send_cut = [&] {
        for (std::size_t next = 0; next < count;) {
            const auto sent = os::send_batch(descriptor_of(port), family, {out.data() + next, count - next});
            if (sent) {
                ctx_.counters.add(counter::udp_from_guest, *sent);
                next += *sent;
                continue;
            }
            single.run = {};
            (void)single.run.add(cut[next].size(), cut[next].size(), cut[next].size());
            on_refused(f, {&cut[next], 1}, single, sent.error().value(), now);
            ++next;
        }
        count = 0;
    };
    for (const auto piece : pieces) {
        for (std::size_t at = 0; at < piece.size(); at += m.run.segment()) {
            cut[count] = piece.subspan(at, std::min(m.run.segment(), piece.size() - at));
            out[count] = outgoing_of(f, {&cut[count], 1}, m);
            out[count].segment = 0;
            if (++count == cut.size())
                send_cut();
        }
    }
    send_cut();
}

/// The datagram is sent nevertheless, in fragments, so that nothing is lost while the guest learns the path's MTU.
void udp_translator::on_too_big(udp_flow& f, bytes_view payload, const message& m, instant now) noexcept
{
    const auto family = f.key.guest.family();
    auto& port = port_of(f);
    if (const auto mtu = relay_errors(port)) {
        const guest_error about{.ttl = m.ttl, .tos = m.tos, .payload = payload, .payload_length = payload.size()};
        send_too_big(ctx_, f.key, f.too_big.next(now), *mtu, about);
    }
    allow_fragments(port, family, os::fragmentation::allowed);
    const auto out = outgoing_of(f, {&payload, 1}, m);
    if (os::send_batch(descriptor_of(port), family, {&out, 1}))
        ctx_.counters.add(counter::udp_from_guest);
    else
        ctx_.counters.drop(drop_reason::message_too_big);
    allow_fragments(port, family, m.fragments);
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
        close(*f, end_reason::refused_by_guest, now);
}

} // namespace tapioca
