// Datagrams of flows' sockets on their way to the guest, and what the network says about the guest's own.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_splice.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tapioca {

using report::counter;

namespace {

constexpr std::size_t small_datagram = 2048;                 ///< of those, more are received at once
constexpr std::size_t most_strangers = 2 * os::few_received; ///< each may take a socket of the namespace: see is_scarce()
constexpr int most_read_errors = 4; ///< each read that fails takes an error off the socket, so that the next one may succeed

std::size_t headers_of(const flow_key& key) noexcept { return (key.guest.is_v4() ? 20U : 40U) + sizeof(wire::udp_header); }

} // namespace

void udp_translator::from_socket(flow_id port, const os::event& e) noexcept
{
    auto* p = ports_.find(port);
    if (p == nullptr)
        return;
    if (e.error)
        (void)relay_errors(*p);
    list_ready(*p);
}

void udp_translator::from_listener(const listener_name& name, const os::event& e) noexcept
{
    auto* p = listening_port(name);
    if (p == nullptr)
        return ctx_.counters.drop(drop_reason::flow_table_full);
    if (e.error)
        (void)relay_errors(*p);
    list_ready(*p);
}

bytes_span udp_translator::room(std::size_t i) const noexcept
{
    const auto all = room_memory_.as<octet>();
    return all.subspan(room_order_[i] * (tap_headroom + tap_queue::largest_body) + tap_headroom, tap_queue::largest_body);
}

/// Reads the socket until it is empty or the budget is spent.
void udp_translator::pump(udp_port& p, instant now) noexcept
{
    guest_run run;
    std::size_t moved = 0, datagrams = 0, buffers = os::few_received;
    const bool makes_flows = p.listens && splice_ != nullptr;
    for (int errors = 0;;) {
        const bool must_wait = makes_flows && splice_->lacks_sockets(); // what came waits in the socket
        if (moved >= limits::udp_octets_per_turn || !ctx_.tap.has_room() || must_wait) {
            list_ready(p);
            break;
        }
        const auto count = receive(p, buffers);
        if (!count && count.error().value() != EAGAIN && ++errors <= most_read_errors)
            continue;
        const auto got = std::span{got_}.first(count ? *count : 0);
        std::size_t octets = 0;
        for (const auto& in : got)
            octets += in.length;
        datagrams += take_all(p, got.size(), run, now);
        moved += octets;
        if (got.size() < buffers) {
            pace(p, datagrams, now);
            break;
        }
        buffers = octets / buffers > small_datagram ? os::few_received : makes_flows ? most_strangers : os::most_received;
    }
    flush(run);
    if (p.listens)
        release_if_idle(p);
}

/// How many of the first `buffers` rooms were filled, as got_ tells.
os::result<std::size_t> udp_translator::receive(const udp_port& p, std::size_t buffers) noexcept
{
    std::array<bytes_span, os::most_received> into;
    for (std::size_t i = 0; i < buffers; ++i)
        into[i] = room(i);
    return os::receive_batch(descriptor_of(p), std::span{into}.first(buffers), got_, os::want_addresses::yes);
}

/// What arrived in the first `count` buffers. How many datagrams for the guest that was.
std::size_t udp_translator::take_all(udp_port& p, std::size_t count, guest_run& run, instant now) noexcept
{
    std::size_t datagrams = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!p.listens || splice_ == nullptr || !splice_->takes(p.through, got_[i].source)) {
            datagrams += take(p, i, run, now);
            continue;
        }
        std::array<bytes_view, os::most_received> octets;
        std::size_t many = 0;
        do {
            octets[many] = room(i + many).first(got_[i + many].length);
            ++many;
        } while (i + many < count && got_[i + many].source == got_[i].source && got_[i + many].local == got_[i].local);
        splice_->from_listener(p.through, {&got_[i], many}, octets, now);
        i += many - 1;
    }
    return datagrams;
}

/// What arrived in a buffer joins the run, or goes alone. How many datagrams it was.
std::size_t udp_translator::take(udp_port& p, std::size_t at, guest_run& run, instant now) noexcept
{
    const auto& in = got_[at];
    if (in.truncated) {
        ctx_.counters.drop(drop_reason::truncated);
        return 1;
    }
    if (p.listens && (p.through.side == rule_side::guest || ctx_.config.splice_only)) {
        ctx_.counters.drop(drop_reason::no_translation);
        return 1;
    }
    auto* f = flow_of(p, in, now);
    if (f == nullptr)
        return 1;
    octet* const payload = room(at).data();
    const auto segment = in.segment == 0 ? in.length : in.segment;
    const auto datagrams = datagrams_in(in.length, segment);
    f->life.on_peer(now, datagrams);
    arm(*f);
    auto key = f->key;
    if (p.listens && in.destination.is_multicast() && ctx_.rule_of(p.through).target.is_unspecified())
        key.guest = in.destination;
    const bool joins = ctx_.tap.offload().uso && segment != 0 && segment + headers_of(key) <= mtu_towards(ctx_, key.guest) &&
                       !key.guest.is_multicast();
    if (!joins) {
        flush(run);
        std::size_t sent = 0;
        do {
            send_udp(ctx_, key, payload + sent, std::min(segment, in.length - sent));
            sent += segment;
        } while (sent < in.length);
        return datagrams;
    }
    const auto before = run.run.octets();
    const auto most = most_run_octets(key.guest.is_v4());
    if (!run.run.empty() && run.key == key && run.run.add(in.length, segment, most)) {
        std::memcpy(run.payload + before, payload, in.length);
        return datagrams;
    }
    flush(run);
    (void)run.run.add(in.length, segment, most);
    run.key = key;
    run.payload = payload;
    std::swap(room_order_[at], room_order_[os::most_received]); // not read into while the run is open
    return datagrams;
}

void udp_translator::flush(guest_run& run) noexcept
{
    if (run.run.empty())
        return;
    send_udp(ctx_, run.key, run.payload, run.run.octets(), run.run.segments() > 1 ? run.run.segment() : 0);
    run = {};
}

} // namespace tapioca
