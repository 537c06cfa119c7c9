#include "proto/migrate/stream.hpp"

#include <algorithm>

namespace tapioca::migrate {
namespace {

constexpr std::uint64_t magic = 0xB1BB1D1B0BB1D1B0;
constexpr std::uint32_t version = 2;

struct preface {
    be64 magic;
    be32 version, compatible;
    ipv6_octets v6, link_local;
    ipv4_octets v4;
    mac_address mac;
};
static_assert(sizeof(preface) == preface_octets && wire_header<preface>);

/// Interfaces of a passt: sides of a connection.
constexpr octet host_side = 1, guest_side = 2;

struct side {
    ipv6_octets own, other;
    std::array<octet, 2> own_port, other_port;
};

struct wire_flow {
    std::array<octet, 2> interfaces; ///< the one that opened it first
    std::array<side, 2> sides;
    octet retries, guest_scale, our_scale, events;
    be32 mss, send_buffer;
    octet flags, duplicate;
    be16 guest_window, our_window;
    be32 to_guest, acknowledged_by_guest, from_guest, acknowledged_to_guest, guest_initial;
};
static_assert(sizeof(wire_flow) == flow_octets && wire_header<wire_flow>);

struct wire_socket {
    be32 send_begin, receive_begin, send_octets, unsent, receive_octets, mss, timestamp;
    be32 snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
    octet send_scale, receive_scale, state, options;
};
static_assert(sizeof(wire_socket) == socket_octets && wire_header<wire_socket>);

/// Ports alone are in the byte order of the machine.
std::array<octet, 2> port_octets(std::uint16_t port) noexcept { return std::bit_cast<std::array<octet, 2>>(port); }
std::uint16_t port_of(const std::array<octet, 2>& octets) noexcept { return std::bit_cast<std::uint16_t>(octets); }

template <class T>
T read(bytes_view octets) noexcept
{
    T value;
    std::memcpy(&value, octets.data(), sizeof value);
    return value;
}

constexpr octet largest_scale = 14; // RFC 7323 section 2.3
constexpr std::uint32_t smallest_mss = 48, largest_mss = 65535;

/// Whether there can be such a connection.
bool makes_sense(const flow_record& f) noexcept
{
    const bool v4 = f.guest.is_v4();
    for (const auto& a : {f.guest, f.remote, f.own.address, f.peer.address})
        if (a.is_v4() != v4 || !a.is_unicast())
            return false;
    const bool ports = f.guest_port != 0 && f.remote_port != 0 && f.own.port != 0 && f.peer.port != 0;
    const auto outstanding = f.to_guest - f.acknowledged_by_guest;
    return ports && f.guest_scale <= largest_scale && f.our_scale <= largest_scale && f.mss >= smallest_mss &&
           f.mss <= largest_mss && f.has(event::established) && outstanding >= 0 && outstanding <= 1 << 30;
}

std::optional<flow_record> flow_of(const wire_flow& w) noexcept
{
    const bool by_peer = w.interfaces[0] == host_side;
    if (w.interfaces != (by_peer ? std::array<octet, 2>{host_side, guest_side} : std::array<octet, 2>{guest_side, host_side}))
        return std::nullopt;
    const auto& guest = w.sides[by_peer ? 1 : 0];
    const auto& host = w.sides[by_peer ? 0 : 1];
    flow_record f{.by_peer = by_peer,
                  .guest = ip_address{guest.other},
                  .remote = ip_address{guest.own},
                  .guest_port = port_of(guest.other_port),
                  .remote_port = port_of(guest.own_port),
                  .own = {ip_address{host.own}, port_of(host.own_port)},
                  .peer = {ip_address{host.other}, port_of(host.other_port)},
                  .retries = w.retries,
                  .guest_scale = w.guest_scale,
                  .our_scale = w.our_scale,
                  .events = w.events,
                  .mss = w.mss,
                  .send_buffer = w.send_buffer,
                  .flags = w.flags,
                  .duplicate = w.duplicate,
                  .guest_window = w.guest_window,
                  .our_window = w.our_window,
                  .to_guest = seq_number{w.to_guest},
                  .acknowledged_by_guest = seq_number{w.acknowledged_by_guest},
                  .from_guest = seq_number{w.from_guest},
                  .acknowledged_to_guest = seq_number{w.acknowledged_to_guest},
                  .guest_initial = seq_number{w.guest_initial}};
    return makes_sense(f) ? std::optional{f} : std::nullopt;
}

std::optional<socket_record> socket_of(const wire_socket& w) noexcept
{
    if (!goes_on(static_cast<socket_state>(w.state)) || w.unsent > w.send_octets || w.send_scale > largest_scale ||
        w.receive_scale > largest_scale)
        return std::nullopt;
    return socket_record{.send_begin = seq_number{w.send_begin},
                         .receive_begin = seq_number{w.receive_begin},
                         .send_octets = w.send_octets,
                         .unsent = w.unsent,
                         .receive_octets = w.receive_octets,
                         .mss = w.mss,
                         .timestamp = w.timestamp,
                         .snd_wl1 = w.snd_wl1,
                         .snd_wnd = w.snd_wnd,
                         .max_window = w.max_window,
                         .rcv_wnd = w.rcv_wnd,
                         .rcv_wup = w.rcv_wup,
                         .send_scale = w.send_scale,
                         .receive_scale = w.receive_scale,
                         .state = static_cast<socket_state>(w.state),
                         .options = w.options};
}

} // namespace

void put_preface(writer& out, const guest_seen& seen) noexcept
{
    out.put(preface{.magic = magic,
                    .version = version,
                    .compatible = version,
                    .v6 = seen.v6.octets(),
                    .link_local = seen.link_local.octets(),
                    .v4 = seen.v4.v4_octets(),
                    .mac = seen.mac});
}

void put_count(writer& out, std::uint32_t flows) noexcept { out.put(be32{flows}); }

void put(writer& out, const flow_record& f) noexcept
{
    const side guest{f.remote.octets(), f.guest.octets(), port_octets(f.remote_port), port_octets(f.guest_port)};
    const side host{f.own.address.octets(), f.peer.address.octets(), port_octets(f.own.port), port_octets(f.peer.port)};
    wire_flow w{};
    w.interfaces = f.by_peer ? std::array<octet, 2>{host_side, guest_side} : std::array<octet, 2>{guest_side, host_side};
    w.sides = f.by_peer ? std::array<side, 2>{host, guest} : std::array<side, 2>{guest, host};
    w.retries = f.retries;
    w.guest_scale = f.guest_scale;
    w.our_scale = f.our_scale;
    w.events = f.events;
    w.mss = f.mss;
    w.send_buffer = f.send_buffer;
    w.flags = f.flags;
    w.duplicate = f.duplicate;
    w.guest_window = f.guest_window;
    w.our_window = f.our_window;
    w.to_guest = f.to_guest.value();
    w.acknowledged_by_guest = f.acknowledged_by_guest.value();
    w.from_guest = f.from_guest.value();
    w.acknowledged_to_guest = f.acknowledged_to_guest.value();
    w.guest_initial = f.guest_initial.value();
    out.put(w);
}

void put(writer& out, const socket_record& s) noexcept
{
    out.put(wire_socket{.send_begin = s.send_begin.value(),
                        .receive_begin = s.receive_begin.value(),
                        .send_octets = s.send_octets,
                        .unsent = s.unsent,
                        .receive_octets = s.receive_octets,
                        .mss = s.mss,
                        .timestamp = s.timestamp,
                        .snd_wl1 = s.snd_wl1,
                        .snd_wnd = s.snd_wnd,
                        .max_window = s.max_window,
                        .rcv_wnd = s.rcv_wnd,
                        .rcv_wup = s.rcv_wup,
                        .send_scale = s.send_scale,
                        .receive_scale = s.receive_scale,
                        .state = static_cast<octet>(s.state),
                        .options = s.options});
}

/// Whether so many octets are together.
bool stream_decoder::gather(bytes_view& in, std::size_t octets) noexcept
{
    const auto part = in.first(std::min(in.size(), octets - gathered_count_));
    std::copy(part.begin(), part.end(), gathered_.begin() + static_cast<std::ptrdiff_t>(gathered_count_));
    gathered_count_ += part.size();
    in = in.subspan(part.size());
    if (gathered_count_ < octets)
        return false;
    gathered_count_ = 0;
    return true;
}

stream_decoder::item stream_decoder::refuse(refusal why) noexcept
{
    why_ = why;
    stage_ = stage::refused;
    return item::refused;
}

stream_decoder::item stream_decoder::next(bytes_view& in) noexcept
{
    switch (stage_) {
    case stage::preface:
        return gather(in, preface_octets) ? take_preface() : item::nothing;
    case stage::count:
        return gather(in, sizeof(be32)) ? take_count() : item::nothing;
    case stage::flows:
        return gather(in, flow_octets) ? take_flow() : item::nothing;
    case stage::socket:
        return gather(in, socket_octets) ? take_socket() : item::nothing;
    case stage::send_queue:
        return take_queue(in, item::send_octets, stage::receive_queue);
    case stage::receive_queue:
        return take_queue(in, item::receive_octets, stage::flow_end);
    case stage::flow_end:
        stage_ = ++done_ == count_ ? stage::end : stage::socket;
        return item::flow_end;
    case stage::end:
        return in.empty() ? item::nothing : refuse(refusal::octets_behind_it);
    case stage::refused:
        break;
    }
    return item::refused;
}

stream_decoder::item stream_decoder::take_preface() noexcept
{
    const auto p = read<preface>(gathered_);
    if (p.magic != magic)
        return refuse(refusal::no_state);
    if (p.version < version || p.compatible > version)
        return refuse(refusal::other_version);
    guest_ = {.v4 = ip_address{p.v4}, .v6 = ip_address{p.v6}, .link_local = ip_address{p.link_local}, .mac = p.mac};
    stage_ = stage::count;
    return item::guest;
}

stream_decoder::item stream_decoder::take_count() noexcept
{
    count_ = read<be32>(gathered_);
    if (count_ > most_flows_)
        return refuse(refusal::too_many_flows);
    stage_ = count_ == 0 ? stage::end : stage::flows;
    return item::count;
}

stream_decoder::item stream_decoder::take_flow() noexcept
{
    flow_ = flow_of(read<wire_flow>(gathered_));
    if (++done_ == count_) {
        done_ = 0;
        stage_ = stage::socket;
    }
    return item::flow;
}

stream_decoder::item stream_decoder::take_socket() noexcept
{
    const auto w = read<wire_socket>(gathered_);
    socket_ = socket_of(w);
    if (w.state == static_cast<octet>(socket_state::absent)) { // nothing follows
        stage_ = stage::flow_end;
        return item::socket;
    }
    if (w.send_octets > longest_queue || w.receive_octets > longest_queue)
        return refuse(refusal::queue_too_long);
    left_ = w.send_octets;
    receive_octets_ = w.receive_octets;
    stage_ = stage::send_queue;
    return item::socket;
}

stream_decoder::item stream_decoder::take_queue(bytes_view& in, item which, stage then) noexcept
{
    if (left_ == 0) {
        stage_ = then;
        left_ = std::exchange(receive_octets_, 0U);
        return next(in);
    }
    octets_ = in.first(std::min<std::size_t>(in.size(), left_));
    in = in.subspan(octets_.size());
    left_ -= static_cast<std::uint32_t>(octets_.size());
    return octets_.empty() ? item::nothing : which;
}

} // namespace tapioca::migrate
