// What a flow of each kind says of itself when it is listed, and how much a connection has carried when it ends.

#include "daemon/os/tcp_figures.hpp"
#include "daemon/translate/echo_translator.hpp"
#include "daemon/translate/tcp_splice.hpp"
#include "daemon/translate/tcp_translator.hpp"
#include "daemon/translate/udp_splice.hpp"
#include "daemon/translate/udp_translator.hpp"

namespace tapioca {
namespace {

flow_state state_of(tcp::tcp_state state) noexcept
{
    switch (state) {
    case tcp::tcp_state::connecting: // the host's socket asks, and so does the guest
    case tcp::tcp_state::syn_sent:
        return flow_state::syn_sent;
    case tcp::tcp_state::syn_received:
        return flow_state::syn_received;
    case tcp::tcp_state::established:
        return flow_state::established;
    case tcp::tcp_state::fin_wait_1:
        return flow_state::fin_wait_1;
    case tcp::tcp_state::fin_wait_2:
        return flow_state::fin_wait_2;
    case tcp::tcp_state::closing:
        return flow_state::closing;
    case tcp::tcp_state::close_wait:
        return flow_state::close_wait;
    case tcp::tcp_state::last_ack:
        return flow_state::last_ack;
    case tcp::tcp_state::closed:
        break;
    }
    return flow_state::closed;
}

flow_state state_of(const pseudo_connection& life) noexcept
{
    return life.converses() ? flow_state::assured : life.is_answered() ? flow_state::replied : flow_state::unreplied;
}

/// Past the tap, from where a connection over it is: between the two ends.
flow_state state_of(const tcp_splice_end& host, const tcp_splice_end& guest) noexcept
{
    if (!host.connected || !guest.connected)
        return flow_state::syn_sent;
    if (host.ended && guest.ended)
        return flow_state::last_ack;
    return guest.ended ? flow_state::close_wait : host.ended ? flow_state::fin_wait_2 : flow_state::established;
}

endpoint remote_of(const flow_key& key) noexcept { return {key.remote, key.remote_port}; }

} // namespace

void tcp_translator::describe(const tcp_flow& f, flow_view& view, instant now) const noexcept
{
    view.state = state_of(f.c.state);
    view.idle = std::chrono::seconds{f.moved.until(now)};
    view.tcp_socket = f.fd;
    if (!f.from_peer()) // what a peer is called here need not be its own address: the socket knows
        view.peer = outbound_destination(ctx_.config->address_map, wire::protocol_tcp, remote_of(f.key));
}

void tcp_splice::describe(const tcp_splice_flow& f, flow_view& view, instant now) const noexcept
{
    const auto& [host, guest] = f.ends;
    view.state = state_of(host, guest);
    view.tcp_socket = host.fd;
    view.peer = remote_of(f.key);
    if (host.moved != 0 || guest.moved != 0) {
        const auto clock =
            static_cast<std::uint32_t>(std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count());
        const auto since = [&](const tcp_splice_end& end) { return end.moved == 0 ? ~std::uint32_t{0} : clock - end.moved; };
        view.idle = std::chrono::milliseconds{std::min(since(host), since(guest))};
    }
}

void udp_translator::describe(const udp_flow& f, flow_view& view, instant now) const noexcept
{
    view.state = state_of(f.life);
    view.idle = now - f.life.last();
    view.octets = f.octets;
    view.peer = f.between.to;
}

void udp_splice::describe(const udp_splice_flow& f, flow_view& view, instant now) const noexcept
{
    view.state = state_of(f.life);
    view.idle = now - f.life.last();
    view.octets = f.octets;
    view.peer = f.from_peer() ? f.between.to : f.server;
}

void echo_translator::describe(const echo_flow& f, flow_view& view, instant now) const noexcept
{
    view.state = f.answered ? flow_state::replied : flow_state::unreplied;
    view.idle = now - f.last;
    view.octets = f.octets;
    view.peer = {peer_of(f.key), 0};
}

std::optional<flow_octets> tcp_translator::octets_of(const tcp_flow& f) const noexcept
{
    if (!ctx_.wants_octets() || f.fd < 0)
        return std::nullopt;
    const auto known = os::figures_of_tcp(f.fd);
    return known ? std::optional{flow_octets{known->sent, known->octets_received(f.peer_closed && !f.broken)}} : std::nullopt;
}

std::optional<flow_octets> tcp_splice::octets_of(const tcp_splice_flow& f) const noexcept
{
    if (!ctx_.wants_octets() || f.ends[0].fd < 0 || f.ends[1].fd < 0)
        return std::nullopt;
    const auto host = os::figures_of_tcp(f.ends[0].fd), guest = os::figures_of_tcp(f.ends[1].fd);
    if (!host || !guest)
        return std::nullopt;
    const auto received_from = [](const os::tcp_figures& known, const tcp_splice_end& end) {
        return known.octets_received(end.ended && !end.failed);
    };
    return flow_octets{received_from(*guest, f.ends[1]), received_from(*host, f.ends[0])};
}

} // namespace tapioca
