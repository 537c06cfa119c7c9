// Echo (ping) between the guest and ping sockets of the host: SOCK_DGRAM sockets of ICMP and ICMPv6, which need no privilege but
// the permission of net.ipv4.ping_group_range (icmp(7)).
//
// Each pair of addresses and identifier has a socket, bound to the guest's identifier where that is free; otherwise the kernel's
// own one is exchanged for the guest's in replies. Requests to the host's loopback are answered without one. What the network
// says about requests is relayed, so that a traceroute with echo requests works. A request beyond the path's MTU goes on in
// fragments, and the guest learns that MTU.
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/os/batch_io.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/translate/context.hpp"
#include "daemon/translate/to_guest.hpp"
#include "proto/flow/table.hpp"
#include "proto/flow/timer_wheel.hpp"

namespace tapioca {

struct echo_flow {
    flow_key key;
    octet ttl = 0, tos = 0; ///< what the socket gives packets; a TTL of 0: its own default
    bool fragments_known = false;
    bool answers_at_once = true; ///< each request so far was answered before the call that sent it returned
    os::fragmentation fragments = os::fragmentation::allowed;
    int fd = -1;
    path_mtu_notices too_big;
    instant last{}; ///< when a message last went either way
};
static_assert(sizeof(echo_flow) <= 128);

class echo_translator {
public:
    static constexpr std::size_t most_flows = 4096;

    /// Reserves all memory; `capacity` is a power of two.
    echo_translator(context& ctx, std::size_t capacity, instant start);
    ~echo_translator();
    echo_translator(const echo_translator&) = delete;
    echo_translator& operator=(const echo_translator&) = delete;

    /// What names the flow of an echo request; nothing for other messages.
    [[nodiscard]] static std::optional<flow_key> key_of(const packet& p) noexcept;
    [[nodiscard]] bool owns(const flow_key& key) noexcept { return flows_.find(key) != nullptr; }

    /// Whether replies of that flow may be on their way to the guest.
    [[nodiscard]] bool answers(const flow_key& key) noexcept { return owns(key) || peer_of(key).is_loopback(); }

    /// ICMP of the guest: only echo requests are translated.
    void from_guest(const packet& p, instant now) noexcept;
    void from_socket(flow_id id, const os::event& e, instant now) noexcept;

    void expire(instant now) noexcept;
    [[nodiscard]] instant next_deadline() const noexcept { return wheel_.next(); }
    [[nodiscard]] std::uint32_t flow_count() const noexcept { return flows_.size(); }

private:
    [[nodiscard]] static flow_key key_of(const packet& p, std::uint16_t identifier) noexcept;
    [[nodiscard]] echo_flow* open(const flow_key& key, const packet& p, instant now) noexcept;
    [[nodiscard]] os::result<void> connect(echo_flow& f, octet ttl) noexcept;
    void set_options(echo_flow& f, const packet& p) noexcept;
    void on_refused(echo_flow& f, const packet& p, int error, instant now) noexcept;
    void send_in_fragments(echo_flow& f, const packet& p) noexcept;
    [[nodiscard]] static guest_error about(const packet& p, const icmp_cause& cause) noexcept;
    std::size_t relay_replies(echo_flow& f, instant now) noexcept;
    void relay_reply(const flow_key& key, bytes_span message) noexcept;
    void answer_for_host(const flow_key& key, bytes_view request) noexcept;
    [[nodiscard]] bytes_span room(std::size_t i) const noexcept;
    [[nodiscard]] ip_address peer_of(const flow_key& key) const noexcept;
    void close(echo_flow& f, instant now) noexcept;

    context& ctx_;
    os::arena flow_memory_, timer_memory_, room_memory_;
    flow_table<echo_flow> flows_;
    timer_wheel wheel_;
    bool refusal_reported_ = false;
};

} // namespace tapioca
