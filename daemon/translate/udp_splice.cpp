#include "daemon/translate/udp_splice.hpp"

#include "daemon/os/socket.hpp"
#include "daemon/translate/limits.hpp"
#include "proto/udp/segment_run.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

constexpr std::size_t room_octets = 65536; ///< more than any datagram or run of them
constexpr int most_read_errors = 4; ///< each read that fails takes an error off the socket, so that the next one may succeed

bool is_name_service(std::uint16_t port) noexcept { return port == 53 || port == 853; }

} // namespace

udp_splice::udp_splice(context& ctx, std::size_t capacity, instant start)
    : ctx_(ctx), flow_memory_(flow_table<udp_splice_flow>::memory_needed(capacity)),
      timer_memory_(capacity * sizeof(timer_wheel::node)), list_memory_(capacity * sizeof(std::uint32_t)),
      room_memory_(os::few_received * room_octets), flows_(flow_memory_.bytes(), capacity, ctx.config.secret),
      wheel_(timer_memory_.as<timer_wheel::node>(), start),
      ready_(list_memory_.as<std::uint32_t>()), timeouts_{ctx.config.udp_timeout, ctx.config.udp_stream_timeout,
                                                          limits::dns_timeout}
{
}

udp_splice::~udp_splice()
{
    flows_.for_each([](udp_splice_flow& f) {
        for (const auto& end : f.ends)
            if (end.fd >= 0)
                os::close(end.fd);
    });
}

void udp_splice::from_socket(flow_id id, rule_side side, const os::event& e) noexcept
{
    auto* f = flows_.find(id);
    if (f == nullptr)
        return;
    if (e.error)
        (void)os::take_error(f->end(side).fd);
    list_ready(*f, side);
}

void udp_splice::list_ready(udp_splice_flow& f, rule_side side) noexcept
{
    f.end(side).ready = true;
    if (f.listed || ready_count_ == ready_.size())
        return;
    f.listed = true;
    ready_[ready_count_++] = flows_.slot_of(f);
}

void udp_splice::end_turn(instant now) noexcept
{
    // What is listed while this runs, because its budget ran out, waits for the next turn.
    const auto ready = ready_count_;
    for (std::size_t i = 0; i < ready; ++i) {
        auto* f = flows_.at_slot(ready_[i]);
        if (f == nullptr || !f->listed)
            continue;
        f->listed = false;
        for (const auto side : {rule_side::host, rule_side::guest})
            if (std::exchange(f->end(side).ready, false))
                pump(*f, side, now);
    }
    std::copy(ready_.begin() + static_cast<std::ptrdiff_t>(ready), ready_.begin() + static_cast<std::ptrdiff_t>(ready_count_),
              ready_.begin());
    ready_count_ -= ready;
}

bytes_span udp_splice::room(std::size_t i) const noexcept
{
    return room_memory_.as<octet>().subspan(i * room_octets, room_octets);
}

/// Reads one end until it is empty or the budget is spent.
void udp_splice::pump(udp_splice_flow& f, rule_side from, instant now) noexcept
{
    auto& end = f.end(from);
    std::array<bytes_span, os::few_received> into;
    for (std::size_t i = 0; i < into.size(); ++i)
        into[i] = room(i);
    std::array<os::incoming, os::few_received> got;
    std::size_t moved = 0;
    for (int errors = 0;;) {
        // Before it is connected a socket takes datagrams of strangers too, which open flows of their own.
        if (moved >= limits::udp_octets_per_turn || (!end.settled && lacks_sockets())) {
            list_ready(f, from);
            break;
        }
        const auto count = os::receive_batch(end.fd, into, got, end.settled ? os::want_addresses::no : os::want_addresses::yes);
        if (!count) {
            if (count.error().value() == EAGAIN || ++errors > most_read_errors)
                break;
            continue;
        }
        moved += forward(f, from, {got.data(), *count}, now);
        if (*count < os::few_received) {
            end.settled = true;
            break;
        }
    }
    arm(f);
}

/// Datagrams of another client that were meant for the listening socket; to the far end nobody but the server has a reason to
/// write.
void udp_splice::take_stranger(const udp_splice_flow& f, rule_side at, const os::incoming& in, bytes_view octets,
                               instant now) noexcept
{
    auto stranger = in;
    stranger.local = stranger.destination = f.between.from;
    if (at != f.through.side || !takes(f.through, in.source))
        return ctx_.counters.drop(drop_reason::no_flow);
    const auto size = in.segment != 0 ? in.segment : octets.size();
    while (!octets.empty()) {
        const auto one = octets.first(std::min(size, octets.size()));
        from_listener(f.through, stranger, one, now);
        octets = octets.subspan(one.size());
    }
}

/// What arrived in the buffers goes to the other end. How many octets those were.
std::size_t udp_splice::forward(udp_splice_flow& f, rule_side from, std::span<const os::incoming> got, instant now) noexcept
{
    const bool from_client = from == f.through.side;
    const auto& sender = from_client ? f.between.to : f.server;
    std::array<bytes_view, os::few_received> octets;
    std::array<os::outgoing, os::few_received> messages;
    std::size_t count = 0, moved = 0, datagrams = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const auto& in = got[i];
        moved += in.length;
        if (in.truncated) {
            ctx_.counters.drop(drop_reason::truncated);
        } else if (!f.end(from).settled && in.source != sender) { // it came between bind and connect
            take_stranger(f, from, in, room(i).first(in.length), now);
        } else {
            octets[count] = room(i).first(in.length);
            messages[count] = {.pieces = {&octets[count], 1}, .ttl = {}, .tos = {}};
            if (in.segment < in.length)
                messages[count].segment = static_cast<std::uint16_t>(in.segment);
            datagrams += datagrams_in(in.length, in.segment);
            ++count;
        }
    }
    if (from_client)
        f.life.on_guest(now, datagrams);
    else
        f.life.on_peer(now, datagrams);
    send(f, from_client ? f.far_side() : f.through.side, {messages.data(), count});
    return moved;
}

/// A message that the kernel refuses is offered once more, as what it reported may have been an earlier datagram's fate.
void udp_splice::send(udp_splice_flow& f, rule_side to, std::span<const os::outgoing> messages) noexcept
{
    const bool listener = to == f.through.side && f.through_listener;
    const int fd = listener ? ctx_.descriptor_of(f.through) : f.end(to).fd;
    std::array<os::outgoing, os::few_received> out;
    std::copy(messages.begin(), messages.end(), out.begin());
    for (std::size_t i = 0; listener && i < messages.size(); ++i)
        out[i].between = &f.between;
    for (std::size_t next = 0; next < messages.size();) {
        const auto left = std::span<const os::outgoing>{out}.subspan(next, messages.size() - next);
        auto sent = os::send_batch(fd, f.family(), left);
        if (!sent && sent.error().value() != EAGAIN)
            sent = os::send_batch(fd, f.family(), left.first(1));
        for (std::size_t i = 0; sent && i < *sent; ++i)
            ctx_.counters.add(counter::udp_spliced, datagrams_in(left[i].pieces.front().size(), left[i].segment));
        if (!sent && left.front().segment != 0)
            send_singly(fd, f.family(), left.front());
        else if (!sent)
            ctx_.counters.drop(drop_reason::send_failed);
        next += sent ? *sent : 1;
    }
}

/// The datagrams of a run that the kernel does not take as one: of more than it cuts, or through a device that cannot.
void udp_splice::send_singly(int fd, ip_family family, const os::outgoing& run) noexcept
{
    const auto octets = run.pieces.front();
    for (std::size_t at = 0; at < octets.size(); at += run.segment) {
        const auto datagram = octets.subspan(at, std::min<std::size_t>(run.segment, octets.size() - at));
        auto single = run;
        single.pieces = {&datagram, 1};
        single.segment = 0;
        if (os::send_batch(fd, family, {&single, 1}))
            ctx_.counters.add(counter::udp_spliced);
        else
            ctx_.counters.drop(drop_reason::send_failed);
    }
}

instant udp_splice::expiry(const udp_splice_flow& f) const noexcept
{
    return f.life.expiry(timeouts_, is_name_service(f.server.port));
}

/// A timer that is due too early finds out when it fires.
void udp_splice::arm(const udp_splice_flow& f) noexcept { wheel_.arm_no_later(flows_.slot_of(f), expiry(f)); }

void udp_splice::expire(instant now) noexcept
{
    wheel_.expire(now, [&](std::uint32_t slot) {
        auto* f = flows_.at_slot(slot);
        if (f == nullptr)
            return;
        if (now >= expiry(*f))
            close(*f, now);
        else
            arm(*f);
    });
}

void udp_splice::close(udp_splice_flow& f, instant now) noexcept
{
    wheel_.cancel(flows_.slot_of(f));
    for (const auto& end : f.ends)
        if (end.fd >= 0)
            os::close(end.fd);
    ctx_.release_datagram_sockets(sockets_of_flow);
    ctx_.release(flow_kind::spliced, flow_origin::guest);
    ctx_.counters.add(counter::udp_splices_closed);
    report(report::event_kind::flow_closed, f, now);
    flows_.erase(f);
}

void udp_splice::report(report::event_kind kind, const udp_splice_flow& f, instant now, int error) noexcept
{
    const auto& client = f.between.to;
    const endpoint asked{f.between.from, f.through.port};
    ctx_.report(kind, now, {f.server.address, client.address, f.server.port, client.port, wire::protocol_udp}, error,
                kind == report::event_kind::flow_opened ? asked : endpoint{});
}

} // namespace tapioca
