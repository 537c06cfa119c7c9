// Datagrams of flows' sockets on their way to the guest, and what the network says about the guest's own.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tapioca {

using report::counter;

namespace {

constexpr std::size_t small_datagram = 2048; ///< of those, more are received at once
constexpr int most_read_errors = 4; ///< each read that fails takes an error off the socket, so that the next one may succeed

std::size_t headers_of(const flow_key& key) noexcept { return (key.guest.is_v4() ? 20U : 40U) + sizeof(wire::udp_header); }

} // namespace

void udp_translator::from_socket(flow_id id, const os::event& e, instant now) noexcept
{
    (void)now;
    auto* f = flows_.find(id);
    if (f == nullptr)
        return;
    if (e.error)
        relay_errors(ctx_, f->key, f->fd);
    list_ready(*f);
}

bytes_span udp_translator::room(std::size_t i) const noexcept
{
    const auto all = room_memory_.as<octet>();
    return all.subspan(room_order_[i] * (tap_headroom + tap_queue::largest_body) + tap_headroom, tap_queue::largest_body);
}

/// Reads the socket until it is empty or the budget is spent.
void udp_translator::pump(udp_flow& f, instant now) noexcept
{
    guest_run run;
    std::size_t moved = 0, datagrams = 0, buffers = os::few_received;
    for (int errors = 0;;) {
        if (moved >= limits::udp_octets_per_turn || !ctx_.tap.has_room()) {
            list_ready(f);
            break;
        }
        const auto count = receive(f, buffers);
        if (!count && count.error().value() != EAGAIN && ++errors <= most_read_errors)
            continue;
        const auto got = std::span{got_}.first(count ? *count : 0);
        const auto peer = f.settled || got.empty() ? os::result<endpoint>{endpoint{}} : os::peer_endpoint(f.fd);
        std::size_t octets = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
            octets += got[i].length;
            if (f.settled || (peer && got[i].source == *peer))
                datagrams += take(f, i, got[i], run, now);
            else // it came between bind and connect
                ctx_.counters.drop(drop_reason::no_flow);
        }
        moved += octets;
        if (got.size() < buffers) {
            f.settled = f.settled || count;
            pace(f, datagrams, now);
            break;
        }
        buffers = octets / buffers <= small_datagram ? os::most_received : os::few_received;
    }
    flush(f, run);
    arm(f);
}

/// How many of the first `buffers` rooms were filled, as got_ tells.
os::result<std::size_t> udp_translator::receive(const udp_flow& f, std::size_t buffers) noexcept
{
    std::array<bytes_span, os::most_received> into;
    for (std::size_t i = 0; i < buffers; ++i)
        into[i] = room(i);
    return os::receive_batch(f.fd, std::span{into}.first(buffers), got_,
                             f.settled ? os::want_addresses::no : os::want_addresses::yes);
}

/// What arrived in a buffer joins the run, or goes alone. How many datagrams it was.
std::size_t udp_translator::take(udp_flow& f, std::size_t at, const os::incoming& in, guest_run& run, instant now) noexcept
{
    if (in.truncated) {
        ctx_.counters.drop(drop_reason::truncated);
        return 1;
    }
    octet* const payload = room(at).data();
    const auto segment = in.segment == 0 ? in.length : in.segment;
    const auto datagrams = datagrams_in(in.length, segment);
    f.life.on_peer(now, datagrams);
    const bool joins = ctx_.tap.offload().uso && segment != 0 && segment + headers_of(f.key) <= mtu_towards(ctx_, f.key.guest);
    if (!joins) {
        flush(f, run);
        std::size_t sent = 0;
        do {
            send_udp(ctx_, f.key, payload + sent, std::min(segment, in.length - sent));
            sent += segment;
        } while (sent < in.length);
        return datagrams;
    }
    const auto before = run.run.octets();
    const auto most = most_run_octets(f.key.guest.is_v4());
    if (!run.run.empty() && run.run.add(in.length, segment, most)) {
        std::memcpy(run.payload + before, payload, in.length);
        return datagrams;
    }
    flush(f, run);
    (void)run.run.add(in.length, segment, most);
    run.payload = payload;
    std::swap(room_order_[at], room_order_[os::most_received]); // not read into while the run is open
    return datagrams;
}

void udp_translator::flush(const udp_flow& f, guest_run& run) noexcept
{
    if (run.run.empty())
        return;
    send_udp(ctx_, f.key, run.payload, run.run.octets(), run.run.segments() > 1 ? run.run.segment() : 0);
    run = {};
}

} // namespace tapioca
