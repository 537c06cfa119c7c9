// The other workers, as ingress and translators see them: which worker owns a flow, and how to hand over packets of flows that
// others own.
#pragma once

#include "daemon/forward/listening_socket.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/tap/tap_queue.hpp"
#include "daemon/translate/flow_budget.hpp"
#include "proto/frame/classify.hpp"

#include <optional>

namespace tapioca {

struct tcp_flow;
struct flow_birth;

class other_workers {
public:
    virtual ~other_workers() = default;

    /// Makes a new flow ours. False if the table of owners refuses it.
    [[nodiscard]] virtual bool claim(std::uint64_t flow_hash) noexcept = 0;
    virtual void disclaim(std::uint64_t flow_hash) noexcept = 0;
    /// The worker that owns the flow; nothing if none does. Of a flow that we do not have and own, we have mail.
    [[nodiscard]] virtual std::optional<unsigned> owner(std::uint64_t flow_hash) const noexcept = 0;

    /// The other worker that has the listening sockets; nothing if we have them.
    [[nodiscard]] virtual std::optional<unsigned> who_listens() const noexcept = 0;

    /// The other worker that a new connection to that port of the guest, or of its peer, is better served by; nothing if none is.
    [[nodiscard]] virtual std::optional<unsigned> better_place(flow_origin origin, std::uint16_t port) noexcept = 0;
    /// Whether one of the workers is close to its CPU limit.
    [[nodiscard]] virtual bool is_crowded() const noexcept = 0;
    /// Whether connections to that port usually carry so little that they need no worker of their own.
    [[nodiscard]] virtual bool are_small(flow_origin origin, std::uint16_t port) const noexcept = 0;
    /// A connection of ours has ended, having carried so much.
    virtual void note_end(flow_origin origin, std::uint16_t port, std::uint64_t octets) noexcept = 0;

    /// Gives a frame, or a datagram put together from fragments, to its owner. False: no room, the packet is lost.
    virtual bool hand_over(unsigned to, const rx_frame& frame) noexcept = 0;
    virtual bool hand_over(unsigned to, const packet& reassembled) noexcept = 0;
    /// Gives a connection to another worker, where the guest speaks of it. False: no room, and it is still ours.
    virtual bool hand_over(unsigned to, const tcp_flow& f, const flow_birth& birth) noexcept = 0;
    /// A flow of ours is that worker's from now on.
    virtual void transfer(std::uint64_t flow_hash, unsigned to) noexcept = 0;
    /// Gives a connection that a peer has opened to another worker. False: no room, and the connection is still ours.
    virtual bool hand_over(unsigned to, os::accepted& connection, const listener_name& through) noexcept = 0;
};

} // namespace tapioca
