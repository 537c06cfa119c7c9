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

/// Errors cannot be passed on: that would take ICMP errors, and so a privilege.
struct splice_sender : datagram_sender {
    int fd;

    [[nodiscard]] int descriptor() const noexcept { return fd; }
    [[nodiscard]] bool repair(int error) const noexcept { return error != EBADF; } // the listening socket is closed
    void on_refused(const os::outgoing&, int) const noexcept { counters.drop(drop_reason::send_failed); }
};

} // namespace

udp_splice::udp_splice(context& ctx, std::size_t capacity, instant start) : flows_of(ctx, capacity, start) {}

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

/// Reads the server's socket until it is empty or the budget is spent.
void udp_splice::pump(udp_splice_flow& f, instant now) noexcept
{
    const auto addresses = f.settled ? os::want_addresses::no : os::want_addresses::yes;
    const auto take = [&](std::span<const os::incoming> got) {
        const auto octets = answer(f, got, now);
        f.settled = f.settled || got.size() < os::few_received;
        return octets;
    };
    if (!buffers_.receive_all(
            f.fd, addresses, os::few_received, [] { return true; }, take))
        list_ready(f);
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
            octets[count] = buffers_[i].first(in.length);
            messages[count] = message_of(octets[count], in);
            messages[count].between = &f.between;
            datagrams += datagrams_in(in.length, in.segment);
            ++count;
        }
    }
    f.life.on_peer(now, datagrams);
    (f.from_peer() ? f.octets.from_guest : f.octets.to_guest) += moved;
    f.from_peer() ? ctx_.count_from_guest(f, moved) : ctx_.count_to_guest(f, moved);
    send(ctx_.descriptor_of(f.through()), f.family(), {messages.data(), count});
    return moved;
}

/// What arrived, to be sent on: one datagram, or a run.
os::outgoing udp_splice::message_of(const bytes_view& octets, const os::incoming& in) noexcept
{
    const auto segment = in.segment < in.length ? static_cast<std::uint16_t>(in.segment) : std::uint16_t{0};
    return {.pieces = {&octets, 1}, .segment = segment, .ttl = {}, .tos = {}};
}

void udp_splice::send(int fd, ip_family family, std::span<const os::outgoing> messages) noexcept
{
    std::uint16_t largest_segment = 0xffff;
    splice_sender s{{ctx_.counters, counter::udp_spliced, family, largest_segment}, fd};
    send_datagrams(s, messages);
}

instant udp_splice::expiry(const udp_splice_flow& f) const noexcept { return expiry_of(f.life, *ctx_.config, f.server.port); }

/// A timer that is due too early finds out when it fires.
void udp_splice::arm(const udp_splice_flow& f) noexcept { wheel_.arm_no_later(flows_.slot_of(f), expiry(f)); }

void udp_splice::expire(instant now) noexcept
{
    end_idle(now, [this](const auto& f) { return expiry(f); });
}

flow_alive udp_splice::close(udp_splice_flow& f, end_reason why, instant now) noexcept
{
    if (f.fd >= 0)
        os::close(f.fd);
    return erase_flow(f, why, now, f.octets);
}

/// The flow as the log has it.
flow_key udp_splice::shown(const endpoint& server, const endpoint& client) noexcept
{
    return {server.address, client.address, server.port, client.port, wire::protocol_udp};
}

} // namespace tapioca
