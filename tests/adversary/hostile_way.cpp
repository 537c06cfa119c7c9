#include "tests/adversary/hostile_way.hpp"

#include <algorithm>

namespace tapioca::adversary {
namespace {

using test::memory_frame;

/// Where the octets of an urgent segment's header stand, and of a SYN's maximum segment size, from the TCP header on.
constexpr std::size_t flags_at = 13, urgent_at = 18, mss_at = 22;

void put16(memory_frame& f, std::size_t at, std::uint16_t value)
{
    f.octets[f.vnet.csum_start + at] = static_cast<octet>(value >> 8);
    f.octets[f.vnet.csum_start + at + 1] = static_cast<octet>(value);
}

} // namespace

void hostile_way::out(memory_frame frame, const carrier& carry)
{
    const auto parsed = wire::parse_tcp(bytes_view{frame.octets}.subspan(frame.vnet.csum_start));
    const auto& s = *parsed;
    if (s.has(wire::tcp_syn)) {
        put16(frame, mss_at, plan_.announced_mss);
        if (!calm && dice_.permille(plan_.way.loss_out)) {
            ++lost_out;
            return;
        }
        return transmit_unharmed(std::move(frame), carry);
    }
    if (s.has(wire::tcp_rst) || calm)
        return transmit_unharmed(std::move(frame), carry);
    if (s.length() == 0)
        return out_acknowledgement(s, carry);
    out_data(s, carry);
}

/// One that acknowledges much becomes many that acknowledge little, none of which moves the right edge of the window back.
void hostile_way::out_acknowledgement(const wire::tcp_segment& s, const carrier& carry)
{
    const auto scale = std::max(plan_.options.scale, 0);
    const auto news = has_acknowledged_ ? s.ack - acknowledged_ : 0;
    if (plan_.way.splits_acks && scale <= 3 && news > 1) {
        const auto parts = std::min(news, 40);
        const auto edge = s.ack + (std::uint32_t{s.window} << scale);
        for (int i = 1; i < parts; ++i) {
            auto part = s;
            part.ack = acknowledged_ + static_cast<std::uint32_t>(std::int64_t{news} * i / parts);
            part.window = static_cast<std::uint16_t>(std::min<std::int64_t>((edge - part.ack) >> scale, 65535));
            transmit({part, 0}, carry);
        }
    }
    if (!has_acknowledged_ || news > 0)
        acknowledged_ = s.ack;
    has_acknowledged_ = true;
    if (dice_.permille(plan_.way.swallowed_acks))
        return;
    transmit({s, 0}, carry);
}

void hostile_way::out_data(const wire::tcp_segment& s, const carrier& carry)
{
    acknowledged_ = has_acknowledged_ ? std::max(acknowledged_, s.ack) : s.ack;
    has_acknowledged_ = true;
    std::vector<piece> pieces;
    const auto length = s.payload.size();
    if (length > 1 && dice_.permille(plan_.way.overlap)) {
        const auto parts = std::min<std::size_t>(dice_.between(2, 5), length);
        for (std::size_t i = 0; i < parts; ++i) {
            const auto least = length * i / parts, end = length * (i + 1) / parts;
            const auto from = least - dice_.below(least + 1) * dice_.below(2); // half of them start early
            auto part = s;
            part.seq = s.seq + static_cast<std::uint32_t>(from);
            part.payload = s.payload.subspan(from, end - from);
            if (end != length)
                part.flags = static_cast<octet>(part.flags & ~wire::tcp_fin);
            pieces.push_back({part});
        }
        if (!plan_.way.is_gentle() || dice_.percent(50))
            std::swap(pieces.front(), pieces[dice_.below(parts)]);
    } else {
        pieces.push_back({s});
    }
    for (auto& p : pieces) {
        if (!p.header.payload.empty() && dice_.permille(plan_.way.urgent))
            p.urgent = static_cast<std::uint16_t>(dice_.between(1, std::min<std::size_t>(p.header.payload.size() + 10, 65535)));
        transmit(p, carry);
    }
}

duration hostile_way::any_delay()
{
    return duration{static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(plan_.way.longest_delay.count())))};
}

void hostile_way::transmit(const piece& p, const carrier& carry)
{
    const auto& h = p.header;
    std::vector<octet> room(most_header_octets + h.payload.size());
    octet* body = room.data() + most_header_octets;
    std::copy(h.payload.begin(), h.payload.end(), body);
    const tcp_emission e{.seq = h.seq,
                         .ack = h.ack,
                         .flags = h.flags,
                         .window = h.window,
                         .payload = static_cast<std::uint32_t>(h.payload.size())};
    const flow_key reversed{key_.remote, key_.guest, key_.remote_port, key_.guest_port, key_.protocol};
    memory_frame f;
    const auto headers = emit_tcp(body, {link_.guest, link_.ours}, reversed, e, f.vnet);
    f.octets.assign(body - headers, body + h.payload.size());
    if (p.urgent != 0) {
        f.octets[f.vnet.csum_start + flags_at] |= wire::tcp_urg;
        put16(f, urgent_at, p.urgent);
    }
    complete_checksum(f.octets, f.vnet);
    if (dice_.permille(plan_.way.loss_out)) {
        ++lost_out;
        return;
    }
    if (dice_.permille(plan_.way.duplicate))
        carry(f.octets, any_delay());
    carry(std::move(f.octets), dice_.permille(plan_.way.reorder) ? any_delay() : duration{});
}

void hostile_way::transmit_unharmed(memory_frame frame, const carrier& carry)
{
    complete_checksum(frame.octets, frame.vnet);
    carry(std::move(frame.octets), {});
}

void hostile_way::in(bytes_view frame, bool has_reset, const carrier& carry)
{
    std::vector<octet> octets{frame.begin(), frame.end()};
    if (has_reset || calm)
        return carry(std::move(octets), {});
    if (dice_.permille(plan_.way.loss_in)) {
        ++lost_in;
        return;
    }
    if (dice_.permille(plan_.way.duplicate))
        carry(octets, any_delay());
    carry(std::move(octets), dice_.permille(plan_.way.reorder) ? any_delay() : duration{});
}

} // namespace tapioca::adversary
