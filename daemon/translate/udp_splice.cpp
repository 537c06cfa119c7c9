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

} // namespace

udp_splice::udp_splice(context& ctx, std::size_t capacity, instant start)
    : flows_of(ctx, capacity, start),
      room_memory_(os::few_received * room_octets), timeouts_{ctx.config.udp_timeout, ctx.config.udp_stream_timeout,
                                                              limits::dns_timeout}
{
}

udp_splice::~udp_splice()
{
    flows_.for_each([](udp_splice_flow& f) {
        if (f.fd >= 0)
            os::close(f.fd);
    });
}

void udp_splice::from_socket(flow_id id, const os::event& e) noexcept
{
    auto* f = flows_.find(id);
    if (f == nullptr)
        return;
    if (e.error)
        (void)os::take_error(f->fd);
    list_ready(*f);
}

void udp_splice::end_turn(instant now) noexcept
{
    ready_.run(
        flows_, [] { return true; }, [&](udp_splice_flow& f) { pump(f, now); });
}

bytes_span udp_splice::room(std::size_t i) const noexcept
{
    return room_memory_.as<octet>().subspan(i * room_octets, room_octets);
}

/// Reads the server's socket until it is empty or the budget is spent.
void udp_splice::pump(udp_splice_flow& f, instant now) noexcept
{
    std::array<bytes_span, os::few_received> into;
    for (std::size_t i = 0; i < into.size(); ++i)
        into[i] = room(i);
    std::array<os::incoming, os::few_received> got;
    std::size_t moved = 0;
    for (int errors = 0;;) {
        if (moved >= limits::udp_octets_per_turn) {
            list_ready(f);
            break;
        }
        const auto count = os::receive_batch(f.fd, into, got, f.settled ? os::want_addresses::no : os::want_addresses::yes);
        if (!count) {
            if (count.error().value() == EAGAIN || ++errors > most_read_errors)
                break;
            continue;
        }
        moved += answer(f, {got.data(), *count}, now);
        if (*count < os::few_received) {
            f.settled = true;
            break;
        }
    }
    arm(f);
}

/// What arrived in the buffers goes to the client. How many octets those were.
std::size_t udp_splice::answer(udp_splice_flow& f, std::span<const os::incoming> got, instant now) noexcept
{
    std::array<bytes_view, os::few_received> octets;
    std::array<os::outgoing, os::few_received> messages;
    std::size_t count = 0, moved = 0, datagrams = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const auto& in = got[i];
        moved += in.length;
        if (in.truncated) {
            ctx_.counters.drop(drop_reason::truncated);
        } else if (!f.settled && in.source != f.server) { // it came between bind and connect
            ctx_.counters.drop(drop_reason::no_flow);
        } else {
            octets[count] = room(i).first(in.length);
            messages[count] = message_of(octets[count], in);
            messages[count].between = &f.between;
            datagrams += datagrams_in(in.length, in.segment);
            ++count;
        }
    }
    f.life.on_peer(now, datagrams);
    send(ctx_.descriptor_of(f.through), f.family(), {messages.data(), count});
    return moved;
}

/// What arrived, to be sent on: one datagram, or a run.
os::outgoing udp_splice::message_of(const bytes_view& octets, const os::incoming& in) noexcept
{
    const auto segment = in.segment < in.length ? static_cast<std::uint16_t>(in.segment) : std::uint16_t{0};
    return {.pieces = {&octets, 1}, .segment = segment, .ttl = {}, .tos = {}};
}

/// A message that the kernel refuses is offered once more, as what it reported may have been an earlier datagram's fate.
void udp_splice::send(int fd, ip_family family, std::span<const os::outgoing> messages) noexcept
{
    for (std::size_t next = 0; next < messages.size();) {
        const auto left = messages.subspan(next);
        auto sent = os::send_batch(fd, family, left);
        if (!sent && sent.error().value() != EAGAIN)
            sent = os::send_batch(fd, family, left.first(1));
        for (std::size_t i = 0; sent && i < *sent; ++i)
            ctx_.counters.add(counter::udp_spliced, datagrams_in(left[i].pieces.front().size(), left[i].segment));
        if (!sent && left.front().segment != 0)
            send_singly(fd, family, left.front());
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

instant udp_splice::expiry(const udp_splice_flow& f) const noexcept { return f.life.expiry(timeouts_, f.server.port); }

/// A timer that is due too early finds out when it fires.
void udp_splice::arm(const udp_splice_flow& f) noexcept { wheel_.arm_no_later(flows_.slot_of(f), expiry(f)); }

void udp_splice::expire(instant now) noexcept
{
    wheel_.expire(now, [&](std::uint32_t slot) {
        auto* f = flows_.at_slot(slot);
        if (f == nullptr)
            return;
        if (now >= expiry(*f))
            close(*f, end_reason::idle, now);
        else
            arm(*f);
    });
}

void udp_splice::close(udp_splice_flow& f, end_reason why, instant now) noexcept
{
    if (f.fd >= 0)
        os::close(f.fd);
    erase_flow(f, why, now);
}

/// The flow as the log has it.
flow_key udp_splice::shown(const endpoint& server, const endpoint& client) noexcept
{
    return {server.address, client.address, server.port, client.port, wire::protocol_udp};
}

} // namespace tapioca
