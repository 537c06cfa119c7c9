// Datagrams of flows' sockets on their way to the guest, and what the network says about the guest's own.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/to_guest.hpp"
#include "daemon/translate/udp_splice.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/wire/dns.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>

namespace tapioca {

using report::counter;

namespace {

constexpr std::size_t small_datagram = 2048;                 ///< of those, more are received at once
constexpr std::size_t most_strangers = 2 * os::few_received; ///< each may take a socket of the namespace: see is_scarce()

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

/// Reads the socket until it is empty or the budget is spent.
void udp_translator::pump(udp_port& p, instant now) noexcept
{
    guest_run run;
    std::size_t datagrams = 0, at_once = os::few_received;
    const auto may_go_on = [&] { return ctx_.tap.accepts_data() && !(p.listens && splice_.lacks_sockets()); };
    const auto take_these = [&](std::span<const os::incoming> got) {
        std::size_t octets = 0;
        for (const auto& in : got)
            octets += in.length;
        datagrams += take_all(p, got, run, now);
        at_once = octets / at_once > small_datagram ? os::few_received : p.listens ? most_strangers : os::most_received;
        return octets;
    };
    if (buffers_.receive_all(descriptor_of(p), os::want_addresses::yes, at_once, may_go_on, take_these))
        pace(p, datagrams, now);
    else
        list_ready(p);
    flush(run);
    if (p.listens)
        release_if_idle(p);
}

/// What arrived. How many datagrams for the guest that was.
std::size_t udp_translator::take_all(udp_port& p, std::span<const os::incoming> got, guest_run& run, instant now) noexcept
{
    std::size_t datagrams = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (p.asking != 0 && got[i].source.port == wire::dns_port && !got[i].truncated &&
            take_answers(p, got[i], buffers_[i].first(got[i].length), now)) {
            ++datagrams;
            continue;
        }
        if (!p.listens || way_of(*ctx_.config, ctx_.arrival_at(p.through, got[i].source)) == flow_way::tap) {
            datagrams += take(p, got[i], i, run, now);
            continue;
        }
        std::array<bytes_view, os::most_received> octets;
        std::size_t many = 0;
        do {
            octets[many] = buffers_[i + many].first(got[i + many].length);
            ++many;
        } while (i + many < got.size() && got[i + many].source == got[i].source && got[i + many].local == got[i].local);
        splice_.from_listener(p.through, got.subspan(i, many), octets, now);
        i += many - 1;
    }
    return datagrams;
}

/// What arrived in a buffer joins the run, or goes alone. How many datagrams it was.
std::size_t udp_translator::take(udp_port& p, const os::incoming& in, std::size_t at, guest_run& run, instant now) noexcept
{
    if (in.truncated) {
        ctx_.counters.drop(drop_reason::truncated);
        return 1;
    }
    auto* f = flow_of(p, in, now);
    if (f == nullptr)
        return 1;
    octet* const payload = buffers_[at].data();
    const auto segment = in.segment == 0 ? in.length : in.segment;
    const auto datagrams = datagrams_in(in.length, segment);
    if (ctx_.metering.is_on() && !ctx_.metering.lets_pass(in.length, now)) {
        ctx_.counters.drop(drop_reason::egress_limit, datagrams);
        return datagrams;
    }
    f->life.on_peer(now, datagrams);
    f->octets.to_guest += in.length;
    ctx_.count_to_guest(*f, in.length);
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
    buffers_.swap(at, os::most_received); // not received into while the run is open
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
