#include "tests/adversary/plan.hpp"

#include <algorithm>
#include <sstream>

namespace tapioca::adversary {
namespace {

using namespace std::chrono_literals;

duration up_to(dice& d, duration most)
{
    return duration{static_cast<std::int64_t>(d.below(static_cast<std::uint64_t>(most.count())))};
}

std::uint16_t any_mss(dice& d)
{
    static constexpr std::uint16_t odd[] = {48, 88, 216, 512, 536, 1220, 1400, 1459, 1460, 8960, 16384, 65495};
    return d.percent(50) ? odd[d.below(std::size(odd))] : static_cast<std::uint16_t>(d.any_magnitude(48, 65495));
}

appetite any_appetite(dice& d, std::uint64_t buffer, std::uint64_t total)
{
    appetite a;
    if (d.percent(40)) {
        a.greedy = false;
        a.sip = d.any_magnitude(1, buffer);
        a.pause = d.percent(50) ? duration{} : up_to(d, 4ms);
    }
    if (d.percent(20)) {
        a.stop_at = d.below(total + 1);
        a.stop_for = 50ms + up_to(d, 2500ms);
    }
    return a;
}

void choose_sizes(dice& d, plan& p)
{
    auto any_size = [&] {
        return d.percent(12) ? 0 : d.percent(3) ? d.any_magnitude(1 << 18, 1 << 21) : d.any_magnitude(1, 1 << 17);
    };
    auto& o = p.options;
    o.mss = static_cast<std::uint16_t>(d.percent(30) ? 1460 : d.any_magnitude(1, 60000));
    o.send_frame = o.mss;
    o.receive_buffer = static_cast<std::uint32_t>(d.any_magnitude(16, 1 << 20));
    const auto least_window = std::min<std::uint64_t>({p.announced_mss, o.receive_buffer, 1460});
    p.up = std::min<std::uint64_t>(any_size(), 1500U * o.mss);
    p.down = std::min<std::uint64_t>(any_size(), 300 * least_window); // in round trips
    p.guest = any_appetite(d, o.receive_buffer, p.down);
    p.peer = any_appetite(d, 65536, p.up);
    if (!p.guest.greedy) // some hundred sips at most, so that a bound of time can be kept
        p.down = std::min(p.down, 400 * p.guest.sip);
    if (!p.peer.greedy)
        p.up = std::min(p.up, 400 * p.peer.sip);
    p.up_chunk = d.percent(50) ? p.up : std::max<std::uint64_t>(1, p.up / d.between(1, 100));
    p.down_chunk = d.percent(50) ? p.down : std::max<std::uint64_t>(1, p.down / d.between(1, 100));
    p.up_pause = d.percent(50) ? duration{} : up_to(d, 3ms);
    p.down_pause = d.percent(50) ? duration{} : up_to(d, 3ms);
}

void choose_ends(dice& d, plan& p)
{
    static constexpr guest_end guests[] = {guest_end::fin_with_data,  guest_end::fin_with_data,    guest_end::fin_later,
                                           guest_end::fin_after_peer, guest_end::fin_at_once_both, guest_end::reset_at_end};
    p.how_guest_ends = guests[d.below(std::size(guests))];
    p.how_peer_ends = d.percent(50) ? peer_end::after_data : peer_end::after_guest;
    if (p.how_guest_ends != guest_end::fin_with_data && p.how_guest_ends != guest_end::fin_later)
        p.how_peer_ends = peer_end::after_data; // or each would wait for the other
    p.end_pause = d.percent(50) ? duration{} : up_to(d, 100ms);
    if (d.percent(10)) {
        p.how_guest_ends = guest_end::reset_midway;
        p.guest_resets_at = d.below(p.up + p.down + 1);
        p.how_peer_ends = peer_end::after_guest; // it sees the reset, or none
    } else if (d.percent(10)) {
        p.how_peer_ends = peer_end::reset_midway;
        p.peer_resets_at = d.below(p.up + p.down + 1);
    }
    p.refused = d.percent(3);
    if (p.refused) { // the peer waits for nothing else
        p.how_peer_ends = peer_end::after_data;
        p.peer_resets_at = UINT64_MAX;
    }
}

void choose_mischief(dice& d, plan& p)
{
    auto& w = p.way;
    if (d.percent(60)) {
        w.loss_out = d.percent(70) ? static_cast<unsigned>(d.any_magnitude(1, 80)) : 0;
        w.loss_in = d.percent(70) ? static_cast<unsigned>(d.any_magnitude(1, 80)) : 0;
        w.reorder = d.percent(50) ? static_cast<unsigned>(d.any_magnitude(1, 300)) : 0;
        w.duplicate = d.percent(50) ? static_cast<unsigned>(d.any_magnitude(1, 300)) : 0;
        w.swallowed_acks = d.percent(30) ? static_cast<unsigned>(d.below(300)) : 0;
        if (w.loss_out + w.loss_in + w.reorder + w.swallowed_acks > 20) { // each loss may cost a timeout
            p.down = std::min<std::uint64_t>(p.down, 20U * p.options.receive_buffer);
            p.up = std::min<std::uint64_t>(p.up, 300U * p.options.mss);
        }
        w.longest_delay = 1ms + up_to(d, 20ms);
    }
    w.overlap = d.percent(40) ? static_cast<unsigned>(d.any_magnitude(1, 500)) : 0;
    w.urgent = d.percent(20) ? static_cast<unsigned>(d.any_magnitude(1, 200)) : 0;
    w.splits_acks = d.percent(20);
    w.keep_alive = d.percent(20) ? 5ms + up_to(d, 200ms) : duration{};
}

const char* name(guest_end e)
{
    switch (e) {
    case guest_end::fin_with_data:
        return "FIN with data";
    case guest_end::fin_later:
        return "FIN later";
    case guest_end::fin_after_peer:
        return "FIN after the peer's";
    case guest_end::fin_at_once_both:
        return "FIN with the peer's";
    case guest_end::reset_midway:
        return "RST midway";
    case guest_end::reset_at_end:
        return "RST at the end";
    }
    return "";
}

const char* name(peer_end e)
{
    switch (e) {
    case peer_end::after_data:
        return "after its data";
    case peer_end::after_guest:
        return "after the guest";
    case peer_end::reset_midway:
        return "by a reset midway";
    }
    return "";
}

long long milliseconds(duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }

void put(std::ostream& out, const char* who, const appetite& a)
{
    out << ", " << who << (a.greedy ? " greedy" : " sips ");
    if (!a.greedy)
        out << a.sip << " every " << milliseconds(a.pause) << " ms";
    if (a.stop_at != UINT64_MAX)
        out << " and stops at " << a.stop_at << " for " << milliseconds(a.stop_for) << " ms";
}

} // namespace

plan make_plan(std::uint64_t seed, std::uint64_t number, bool inbound)
{
    dice d{seed, number};
    plan p;
    p.number = number;
    p.announced_mss = any_mss(d);
    p.options.scale = d.percent(20) ? -1 : static_cast<int>(d.below(15));
    if (inbound && p.options.scale == 0)
        p.options.scale = 1;
    p.options.iss = static_cast<std::uint32_t>(d.percent(20) ? 0xffffffffU - d.below(100000) : d.next());
    p.options.delayed_acks = d.percent(40);
    p.options.congestion_window = d.percent(70);
    p.same_port = d.percent(50);
    choose_sizes(d, p);
    choose_mischief(d, p);
    choose_ends(d, p);
    p.linger = d.percent(50) ? duration{} : up_to(d, 50ms);
    return p;
}

std::string describe(const plan& p)
{
    std::ostringstream out;
    const auto& o = p.options;
    const auto& w = p.way;
    out << (p.refused ? "refused, " : "") << "up " << p.up << " by " << p.up_chunk << ", down " << p.down << " by "
        << p.down_chunk << ", MSS " << p.announced_mss << " (sends " << o.mss << "), scale " << o.scale << ", buffer "
        << o.receive_buffer << (o.delayed_acks ? ", delayed ACKs" : "") << (o.congestion_window ? "" : ", no congestion window")
        << (p.same_port ? ", port used again" : "");
    put(out, "guest", p.guest);
    put(out, "peer", p.peer);
    out << ", guest ends: " << name(p.how_guest_ends) << ", peer ends " << name(p.how_peer_ends);
    if (p.guest_resets_at != UINT64_MAX || p.peer_resets_at != UINT64_MAX)
        out << " at " << std::min(p.guest_resets_at, p.peer_resets_at);
    out << ", of 1000: " << w.loss_out << " lost out, " << w.loss_in << " lost in, " << w.reorder << " late by up to "
        << milliseconds(w.longest_delay) << " ms, " << w.duplicate << " twice, " << w.overlap << " overlap, " << w.urgent
        << " urgent, " << w.swallowed_acks << " ACKs swallowed" << (w.splits_acks ? ", ACKs split" : "");
    if (w.keep_alive != duration{})
        out << ", keep-alives every " << milliseconds(w.keep_alive) << " ms";
    return out.str();
}

} // namespace tapioca::adversary
