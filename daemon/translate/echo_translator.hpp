// Echo (ping) between the guest and ping sockets of the host: SOCK_DGRAM sockets of ICMP and ICMPv6, which need no privilege but
// the permission of net.ipv4.ping_group_range (icmp(7)).
//
// Each pair of addresses and identifier has a socket, bound to the guest's identifier where that is free; otherwise the kernel's
// own one is exchanged for the guest's in replies. It is not connected, as a connected one keeps the address that the host had
// then; what comes from others is dropped. Requests to the host's loopback are answered without one. What the network says about
// requests is relayed, so that a traceroute with echo requests works. A request beyond the path's MTU goes on in fragments, and
// the guest learns that MTU.
//
// Each run of `ping` has an identifier of its own, and so a flow for a minute after its last message. When the table is
// full, a new flow displaces the one that has been idle longest among those whose last request was answered, or, if there is
// none, the one that has waited longest.
#pragma once

#include "daemon/os/socket.hpp"
#include "daemon/translate/datagram_io.hpp"
#include "daemon/translate/flow_set.hpp"
#include "daemon/translate/to_guest.hpp"
#include "proto/flow/slot_list.hpp"
#include "proto/migrate/datagram_state.hpp"

namespace tapioca {

struct echo_flow : flow_head {
    octet ttl = 0, tos = 0; ///< what the socket gives packets; a TTL of 0: its own default
    bool fragments_known = false;
    bool answers_at_once = true; ///< each request so far was answered before the call that sent it returned
    bool answered = false;       ///< nothing that was asked waits for an answer
    bool ready_listed = false;   ///< the socket may have something
    bool errors = false;         ///< the error queue may have something
    os::fragmentation fragments = os::fragmentation::allowed;
    slot_list::place quiet = 0; ///< in the list that `answered` says
    int fd = -1;
    path_mtu_notices too_big;
    instant last{};     ///< when a message last went either way
    instant replaced{}; ///< when the socket was last exchanged for another
    flow_octets octets;
};
static_assert(sizeof(echo_flow) <= 128);

/// A flow on its way to another process.
class echo_receiver {
public:
    virtual void receive(const migrate::echo_flow_state& s, int fd) noexcept = 0;

protected:
    ~echo_receiver() = default;
};

class echo_translator final : public flows_of<echo_flow, flow_kind::echo> {
public:
    static constexpr std::size_t most_flows = 4096;

    /// Reserves all memory; `capacity` is a power of two.
    echo_translator(context& ctx, std::size_t capacity, instant start);
    ~echo_translator() override;

    /// What names the flow of an echo request; nothing for other messages.
    [[nodiscard]] static std::optional<flow_key> key_of(const packet& p) noexcept;
    /// Whether replies of that flow may be on their way to the guest.
    [[nodiscard]] bool answers(const flow_key& key) noexcept { return owns(key) || peer_of(key).is_loopback(); }

    /// ICMP of the guest: only echo requests are translated.
    void from_guest(const packet& p, instant now) noexcept;
    void from_socket(flow_id id, const os::event& e) noexcept;

    void expire(instant now) noexcept override;
    /// Reads the sockets that are ready.
    void end_turn(instant now) noexcept override;

    // echo_give.cpp
    /// Shows all flows to who passes them on to another process, the one that has been idle longest first. For a worker that
    /// stands still.
    void give(echo_receiver& to, instant now);
    /// Goes on with a flow of another process. False if it would have another socket here, or there is no room.
    bool take(const migrate::echo_flow_state& s, os::unique_fd fd, instant now) noexcept;

private:
    [[nodiscard]] static flow_key key_of(const packet& p, std::uint16_t identifier) noexcept;
    [[nodiscard]] ip_address peer_of(const flow_key& key) const noexcept;

    // echo_open.cpp
    [[nodiscard]] echo_flow* open(const flow_key& key, const outbound_opening& leads, const packet& p, instant now) noexcept;
    [[nodiscard]] bool displace(instant now) noexcept;
    [[nodiscard]] os::result<void> make_socket(echo_flow& f) noexcept;
    [[nodiscard]] os::result<void> bind(const echo_flow& f) noexcept;
    [[nodiscard]] bool replace_socket(echo_flow& f, int error, instant now) noexcept;
    void note(echo_flow& f, bool answered, instant now) noexcept;
    flow_alive close(echo_flow& f, end_reason why, instant now) noexcept override;
    void describe(const echo_flow& f, flow_view& view, instant now) const noexcept override;
    [[nodiscard]] std::optional<flow_octets> octets_of(const echo_flow& f) const noexcept override { return f.octets; }

    // echo_translator.cpp
    [[nodiscard]] os::result<std::size_t> send(echo_flow& f, const packet& p) noexcept;
    void set_options(echo_flow& f, const packet& p) noexcept;
    void on_refused(echo_flow& f, const packet& p, int error, instant now) noexcept;
    void send_in_fragments(echo_flow& f, const packet& p) noexcept;
    /// The flow of a first request, which may have been answered already: null then, or if there can be none.
    [[nodiscard]] echo_flow* open_or_answer(const flow_key& key, const packet& p, instant now) noexcept;
    [[nodiscard]] static guest_error about(const packet& p) noexcept;
    [[nodiscard]] static guest_error about(bytes_view request) noexcept;
    std::optional<std::uint32_t> relay_errors(echo_flow& f, instant now) noexcept;
    void pump(echo_flow& f, instant now) noexcept;
    std::size_t relay_replies(echo_flow& f, instant now) noexcept;
    [[nodiscard]] bool relay_reply(const flow_key& key, bytes_span message) noexcept;
    void answer_for_host(const flow_key& key, bytes_view request) noexcept;

    static constexpr std::size_t replies_at_once = 4;

    os::arena list_memory_;
    slot_list answered_, waiting_; ///< each flow stands in one of the two, in the order of its last message
    datagram_buffers<replies_at_once> buffers_;
    bool refusal_reported_ = false;
};

} // namespace tapioca
