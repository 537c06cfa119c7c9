// UDP past the tap: between the loopback of the host and the guest's namespace, from socket to socket.
//
// A client's datagrams arrive at the listening socket, and its answers leave from there. Each client has a socket on
// the server's side, which is connected to the server and has the client's source port where that is free. Runs of datagrams
// travel as one message (UDP_GRO, UDP_SEGMENT). A server's port unreachable cannot be passed on to the client: sending ICMP
// errors takes a privilege.
//
// udp_splice.cpp moves datagrams and keeps time, udp_splice_open.cpp begins flows.
#pragma once

#include "daemon/translate/datagram_io.hpp"
#include "daemon/translate/flow_set.hpp"
#include "proto/udp/pseudo_connection.hpp"

namespace tapioca {

/// Its key: where the client asked, and the client. Both sides have the same loopback addresses, so `origin` belongs to it.
struct udp_splice_flow : flow_head {
    bool ready_listed = false; ///< the server's answers wait
    bool settled = false;      ///< nothing from before the connect can be in the socket's queue any more
    os::addressing between;    ///< the client, and the address that it asked
    endpoint server;
    int fd = -1;            ///< to the server
    pseudo_connection life; ///< the client in the guest's role
    flow_octets octets;

    /// The listening socket that was asked.
    [[nodiscard]] listener_name through() const noexcept
    {
        return {from_peer() ? rule_side::host : rule_side::guest, static_cast<std::uint8_t>(rule), key.guest_port, key.protocol};
    }
    [[nodiscard]] ip_family family() const noexcept { return server.address.family(); }
};
static_assert(sizeof(udp_splice_flow) <= 152);

class udp_splice final : public flows_of<udp_splice_flow, flow_kind::udp_splice> {
public:
    static constexpr std::size_t most_flows = std::size_t{1} << 16;

    /// Reserves all memory; `capacity` is a power of two.
    udp_splice(context& ctx, std::size_t capacity, instant start);
    ~udp_splice() override;

    /// Whether the store of namespace sockets is nearly empty: then datagrams that would begin flows stay in their socket.
    [[nodiscard]] bool lacks_sockets() const noexcept;
    /// Datagrams of one client to one address at a listening socket, if their way is the bypass; `octets` holds their payloads.
    void from_listener(const listener_name& through, std::span<const os::incoming> got, std::span<const bytes_view> octets,
                       instant now) noexcept;
    /// Readiness or an error of a flow's socket.
    void from_socket(flow_id id, const os::event& e) noexcept;

    void expire(instant now) noexcept override;
    /// Reads the sockets that are ready.
    void end_turn(instant now) noexcept override;
    [[nodiscard]] bool has_ready() const noexcept override { return !ready_.empty(); }

private:
    // udp_splice_open.cpp
    [[nodiscard]] udp_splice_flow* open(const flow_head& head, const listener_name& through, const os::incoming& in,
                                        instant now) noexcept;
    [[nodiscard]] os::result<os::unique_fd> make_socket(flow_origin client, ip_family family) noexcept;
    [[nodiscard]] os::result<void> connect(udp_splice_flow& f) noexcept;

    // udp_splice.cpp
    [[nodiscard]] static os::outgoing message_of(const bytes_view& octets, const os::incoming& in) noexcept;
    void pump(udp_splice_flow& f, instant now) noexcept;
    [[nodiscard]] std::size_t answer(udp_splice_flow& f, std::span<const os::incoming> got, instant now) noexcept;
    void send(int fd, ip_family family, std::span<const os::outgoing> messages) noexcept;
    [[nodiscard]] instant expiry(const udp_splice_flow& f) const noexcept;
    void arm(const udp_splice_flow& f) noexcept;
    flow_alive close(udp_splice_flow& f, end_reason why, instant now) noexcept override;
    void describe(const udp_splice_flow& f, flow_view& view, instant now) const noexcept override;
    [[nodiscard]] std::optional<flow_octets> octets_of(const udp_splice_flow& f) const noexcept override { return f.octets; }
    [[nodiscard]] flow_key shown(const udp_splice_flow& f) const noexcept override { return shown(f.server, f.between.to); }
    [[nodiscard]] static flow_key shown(const endpoint& server, const endpoint& client) noexcept;

    datagram_buffers<os::few_received> buffers_;
};

} // namespace tapioca
