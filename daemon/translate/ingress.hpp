// Frames from the guest: classified, then passed to a responder or a translator.
#pragma once

#include "daemon/translate/context.hpp"
#include "daemon/translate/echo_translator.hpp"
#include "daemon/translate/tcp_translator.hpp"
#include "daemon/translate/udp_translator.hpp"
#include "proto/frame/reassembly.hpp"
#include "proto/icmp/too_big.hpp"

namespace tapioca {

/// How a frame came to us by way of another worker.
struct detour {
    bool flows_move = false;           ///< so that its flow may have moved on
    std::optional<unsigned> spoken_at; ///< where the guest has sent it, if that is elsewhere: a connection follows it there
};

class ingress {
public:
    ingress(context& ctx, tcp_translator& tcp, udp_translator& udp, echo_translator& echo);

    /// One batch of at most tap_queue::most_frames frames. How many of them were for us, and for no other worker.
    std::size_t process(std::span<const rx_frame> frames, instant now) noexcept;

    /// A frame, or a datagram put together from fragments, that another worker received for a flow of ours.
    void take_over(const rx_frame& frame, const detour& way, instant now) noexcept;
    void take_over(const packet& reassembled, instant now) noexcept;

    void expire(instant now) noexcept;
    [[nodiscard]] instant next_deadline() const noexcept { return fragments_.next_expiry(); }

private:
    static constexpr std::size_t most_frames = tap_queue::most_frames;
    static constexpr std::size_t fragment_octets = reassembler::most_datagrams * reassembler::slot_size;

    /// A packet that was not dealt with yet.
    struct pending {
        guest_packet frame;
        bool done = false;
    };
    using run = std::array<const guest_packet*, most_frames>;

    void accept(const rx_frame& frame, instant now) noexcept;
    void drop(const rx_frame& frame, drop_reason why) noexcept;
    void drop(const guest_packet& packet, drop_reason why) noexcept;
    [[nodiscard]] parsed<packet> look_at(const rx_frame& frame) noexcept;
    [[nodiscard]] bool is_for_another(const packet& p) const noexcept;
    void dispatch_all(instant now) noexcept;
    [[nodiscard]] bool hand_over(const pending& p) noexcept;
    void learn(const packet& p, instant now) noexcept;
    void learn_address(const ip_address& source) noexcept;
    [[nodiscard]] bool owns(const flow_key& key) noexcept;
    [[nodiscard]] std::size_t gather(std::size_t first, run& frames) noexcept;
    void dispatch(std::span<const guest_packet* const> packets, instant now) noexcept;
    template <class Take>
    void each_alone(std::span<const guest_packet* const> packets, Take take) noexcept;
    void take_icmp(const packet& p, instant now) noexcept;
    void take_too_big(const too_big_packet& about, instant now) noexcept;
    [[nodiscard]] bool answer_neighbour(const packet& p) noexcept;
    void take_fragment(const packet& p, instant now) noexcept;
    void answer_arp(const packet& p) noexcept;
    void answer_server(const packet& p) noexcept;
    void answer_dhcp(const packet& p, bytes_view question) noexcept;
    void commit(parsed<std::size_t> size, report::counter answered) noexcept;

    context& ctx_;
    tcp_translator& tcp_;
    udp_translator& udp_;
    echo_translator& echo_;
    os::arena fragment_memory_;
    os::arena joined_memory_; ///< a place for each frame of a batch that came in pieces and is wanted in one
    reassembler fragments_;
    std::array<pending, most_frames> batch_{};
    std::size_t count_ = 0;
};

} // namespace tapioca
