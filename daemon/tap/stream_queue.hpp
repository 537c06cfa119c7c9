// A guest at the other end of a stream socket: QEMU's `-netdev stream` and `-netdev socket`, each frame behind its length.
//
// The other side takes no super-frames and no partial checksums, so both are completed here, on the way into one buffer that goes
// out in as few system calls as the socket allows. What the socket does not take stays, the rest of a frame included; while there
// is much of it accepts_data() says no, and nothing waits for anybody. Clients come and go; with a client goes all that belonged
// to its stream.
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/os/unique_fd.hpp"
#include "daemon/report/counters.hpp"
#include "daemon/tap/tap_queue.hpp"
#include "proto/base/checksum.hpp"

#include <array>

namespace tapioca {

class stream_queue final : public tap_queue {
public:
    explicit stream_queue(report::counters& counters);

    /// A connected client, in the place of none. Non-blocking.
    void attach(os::unique_fd client) noexcept;
    /// Likewise one whose stream is under way: octets that were received and not handed out, and those that are still to be sent.
    /// False: they have no room, and nothing has changed.
    [[nodiscard]] bool attach(os::unique_fd& client, bytes_view received, bytes_view to_send) noexcept;
    [[nodiscard]] bytes_view not_handed_out() const noexcept { return received_.subspan(taken_, filled_ - taken_); }
    [[nodiscard]] bytes_view not_sent() const noexcept { return sending_.subspan(begin_, end_ - begin_); }
    [[nodiscard]] bool attached() const noexcept { return static_cast<bool>(client_); }
    /// The stream has ended, or cannot be understood any more: the client is to be let go.
    [[nodiscard]] bool over() const noexcept { return over_; }
    [[nodiscard]] bool misunderstood() const noexcept { return misunderstood_; }
    /// The poller says that the client has closed its end: the socket is read until there is nothing behind the last frames.
    void expect_end() noexcept { ending_ = true; }
    [[nodiscard]] bool ending() const noexcept { return ending_; }
    /// Closes the client's socket and forgets what was under way.
    void detach() noexcept;

    [[nodiscard]] offloads offload() const noexcept override { return {.checksum = true, .tso = true, .uso = true}; }
    [[nodiscard]] std::size_t largest_datagram() const noexcept override { return slot_octets; }
    [[nodiscard]] int descriptor() const noexcept override { return client_.get(); }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t most) noexcept override;
    /// Whether receive() may have more without a new event on the descriptor.
    [[nodiscard]] bool has_more() const noexcept { return more_; }
    [[nodiscard]] bool accepts_data() const noexcept override { return client_ && end_ - begin_ < high_water; }
    [[nodiscard]] tx_slot acquire() noexcept override;
    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override;
    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept override;
    void flush() noexcept override;

private:
    static constexpr std::size_t receive_octets = std::size_t{256} << 10;
    static constexpr std::size_t slot_octets = std::size_t{256} << 10; ///< never sent whole, so IP's limit does not apply
    static constexpr std::size_t send_octets = std::size_t{1} << 20;
    static constexpr std::size_t high_water = std::size_t{640} << 10; ///< a super-frame of small segments doubles on its way
    static constexpr std::size_t worth_sending = std::size_t{256} << 10;
    static constexpr std::size_t least_frame = 60; ///< Ethernet's, without its checksum

    void fill() noexcept;
    [[nodiscard]] std::size_t parse(std::size_t most) noexcept;
    [[nodiscard]] bool make_room(std::size_t octets) noexcept;
    void put(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet) noexcept;

    report::counters& counters_;
    const vectors cpu_;
    os::unique_fd client_;
    bool over_ = false, misunderstood_ = false;
    bool ending_ = false; ///< no further event will announce the end
    bool more_ = false;   ///< received and not handed out yet, or the socket may have more

    os::arena memory_;
    bytes_span received_;    ///< room for what comes
    std::size_t taken_ = 0;  ///< handed out
    std::size_t filled_ = 0; ///< received
    bool drained_ = true;    ///< the last read found the socket empty
    bytes_span sending_;     ///< room for what leaves
    std::size_t begin_ = 0, end_ = 0;
    bytes_span slot_;
    std::array<rx_frame, most_frames> frames_{};
};

} // namespace tapioca
