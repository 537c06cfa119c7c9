// A worker's share of a guest's virtqueues (virtio 1.2 section 5.1): pairs of a ring towards the guest and one from it. Frames
// lie in the guest's memory. Of what it sends, the first octets are copied and decided on; the rest goes from there to a socket.
// What sockets have for it is read into the buffers that it has posted.
//
// Chains are given back at the latest when a turn ends, and the driver is called once for each ring then. It is told not to kick
// while we look at a ring anyway; the ring towards the guest is looked at whenever we have something, so its kicks are wanted
// only while that is more than there are buffers.
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/report/counters.hpp"
#include "daemon/tap/tap_queue.hpp"
#include "proto/vhost/features.hpp"
#include "proto/vhost/split_queue.hpp"

#include <array>
#include <atomic>

namespace tapioca {

class vhost_queue final : public tap_queue {
public:
    /// `map` and `log` are read in turns, and may change between them.
    vhost_queue(const vhost::memory_map& map, const vhost::dirty_log& log, report::counters& counters);

    // Between turns.
    void set_features(vhost::feature_set features) noexcept;
    /// The ring with that index runs from now on; signals go to `call` (-1: to nobody).
    void start(std::uint32_t index, const vhost::split_queue::setup& setup, int call) noexcept;
    /// It lies elsewhere from now on, and goes on where it stands.
    void move(std::uint32_t index, const vhost::split_queue::memory& to) noexcept;
    void set_call(std::uint32_t index, int call) noexcept { calls_[index] = call; }
    /// The place in the available ring where it stands.
    std::uint16_t stop(std::uint32_t index) noexcept;
    [[nodiscard]] bool runs(std::uint32_t index) const noexcept { return static_cast<bool>(rings_[index]); }

    /// The place in the available ring where it stands now.
    [[nodiscard]] std::uint16_t place_of(std::uint32_t index) const noexcept { return rings_[index].next(); }
    [[nodiscard]] std::uint32_t size_of(std::uint32_t index) const noexcept { return rings_[index].size(); }

    // In turns.
    /// A ring that has broken down, and why; nothing: none has.
    [[nodiscard]] std::optional<std::pair<std::uint32_t, vhost::ring_fault>> fault() const noexcept;
    /// The driver has posted buffers, or sent something.
    void on_kick(std::uint32_t index) noexcept;
    /// Whether receive() may have more without a kick.
    [[nodiscard]] bool has_more() const noexcept { return more_.load(std::memory_order_relaxed); }
    /// Whether the guest has posted buffers in a ring that runs.
    [[nodiscard]] bool can_send() noexcept { return sending() != nullptr; }

    [[nodiscard]] offloads offload() const noexcept override { return offload_; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t most) noexcept override;
    [[nodiscard]] bool accepts_data() const noexcept override { return accepts_.load(std::memory_order_relaxed); }
    [[nodiscard]] tx_slot acquire() noexcept override;
    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override;
    [[nodiscard]] std::span<const bytes_span> acquire_body(std::size_t headers, std::size_t unit,
                                                           std::size_t most) noexcept override;
    bool commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override;
    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept override;
    void flush() noexcept override;

private:
    static constexpr std::size_t copied_octets = 256; ///< of each frame of the guest
    static constexpr std::size_t octets_at_once = std::size_t{1} << 20;
    static constexpr std::size_t largest_frame = 14 + 65535;
    static constexpr std::size_t most_pieces = 64; ///< as many as one recvmsg() takes

    struct taken {
        std::uint32_t ring = 0;
        std::uint16_t head = 0;
    };
    struct posted {
        vhost::chain chain;
        std::size_t first = 0; ///< of its pieces
    };

    [[nodiscard]] std::size_t receive_from(std::uint32_t index, std::size_t begin, std::size_t most,
                                           std::size_t& octets) noexcept;
    [[nodiscard]] bool take_frame(const vhost::chain& c, rx_frame& frame, octet* head) noexcept;
    void answer_on(std::uint32_t ring) noexcept;
    void give_back_taken() noexcept;

    [[nodiscard]] vhost::split_queue* sending() noexcept;
    [[nodiscard]] std::size_t gather(std::size_t octets, std::size_t least) noexcept;
    [[nodiscard]] std::size_t look_at_posted(std::size_t octets) noexcept;
    [[nodiscard]] std::span<const bytes_span> trimmed_to(std::size_t unit, std::size_t count, std::size_t missing) noexcept;
    [[nodiscard]] bool fill(wire::virtio_net_header vnet, bytes_span headers, std::size_t behind) noexcept;
    void put(bytes_view octets, std::size_t& at, std::size_t& into) noexcept;
    void pass(std::size_t octets, std::size_t& at, std::size_t& into) noexcept;
    void mark(std::size_t begin, std::size_t octets) noexcept;
    void complete(wire::virtio_net_header& vnet, bytes_span headers, std::size_t behind) noexcept;
    void forget_posted() noexcept { posted_begin_ = posted_count_ = pieces_.count = 0; }
    void wait_for_buffers() noexcept;
    void call(std::uint32_t index) noexcept;

    const vhost::memory_map& map_;
    const vhost::dirty_log& log_;
    report::counters& counters_;
    std::array<vhost::split_queue, vhost::most_rings> rings_; ///< of all pairs; those of other workers never run here
    std::array<int, vhost::most_rings> calls_;
    fixed_vector<std::uint32_t, vhost::most_rings> running_;
    vhost::feature_set features_ = 0;
    offloads offload_;
    std::atomic<bool> more_ = false, accepts_ = false; ///< read between turns, too
    std::size_t next_pair_ = 0;                        ///< whose turn it is to be received from first

    os::arena memory_;
    bytes_span heads_, joined_, slot_;
    bool joined_used_ = false;
    vhost::piece_list read_; ///< of one chain of the guest
    std::array<bytes_view, most_frames * most_body_pieces> bodies_;
    std::size_t body_count_ = 0;
    std::array<rx_frame, most_frames> frames_{};
    std::array<taken, most_frames> taken_{};
    std::size_t taken_count_ = 0;

    std::uint32_t answers_on_ = 1; ///< the ring towards the guest that we send by; odd: none yet
    vhost::piece_list pieces_;     ///< of posted chains
    std::array<posted, vhost::largest_ring> posted_;
    std::size_t posted_begin_ = 0, posted_count_ = 0;
    std::uint32_t posted_ring_ = 0; ///< whose chains they are
    std::array<bytes_span, most_pieces> body_;
};

} // namespace tapioca
