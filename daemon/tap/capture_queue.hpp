// A tap queue that also shows every frame, in both directions, to sinks. A frame that waits for its checksum is shown as it is,
// and so is a super-frame; one that is longer than an IP header can say is shown as the frames that it becomes.
#pragma once

#include "daemon/tap/frame_sink.hpp"
#include "daemon/tap/tap_queue.hpp"
#include "proto/base/checksum.hpp"
#include "proto/frame/emit.hpp"

#include <array>
#include <memory>

namespace tapioca {

class capture_queue final : public tap_queue {
public:
    static constexpr std::size_t most_sinks = 5;

    /// `inner` outlives it.
    explicit capture_queue(tap_queue& inner) noexcept;

    /// Whether there is any sink. Without one nothing need come this way.
    [[nodiscard]] bool has_sinks() const noexcept { return count_ != 0; }
    /// False if there are as many as there may be.
    bool add(std::shared_ptr<frame_sink> sink) noexcept;
    /// Whoever calls keeps a reference: nothing is freed here.
    void remove(const frame_sink& sink) noexcept;

    [[nodiscard]] offloads offload() const noexcept override { return inner_.offload(); }
    [[nodiscard]] std::size_t largest_datagram() const noexcept override { return inner_.largest_datagram(); }
    [[nodiscard]] int descriptor() const noexcept override { return inner_.descriptor(); }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t most) noexcept override;
    [[nodiscard]] bool accepts_data() const noexcept override { return inner_.accepts_data(); }
    [[nodiscard]] tx_slot acquire() noexcept override { return inner_.acquire(); }
    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override;
    [[nodiscard]] std::span<const bytes_span> acquire_body(std::size_t headers, std::size_t unit,
                                                           std::size_t most) noexcept override
    {
        return body_ = inner_.acquire_body(headers, unit, most);
    }
    bool commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override;
    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept override;
    void flush() noexcept override { inner_.flush(); }

    /// Frames that came past receive().
    void record(std::span<const rx_frame> frames) noexcept;
    /// A frame that came from the guest and was dropped, or one of `among`.
    void record_drop(const rx_frame& frame, drop_reason why, std::size_t among) noexcept;
    /// Likewise, the one that is being sent. False if there is none.
    bool record_drop_of_sent(drop_reason why) noexcept;
    /// Behind the last frame of a turn.
    void end_turn() noexcept;

private:
    void show(const seen_frame& frame) noexcept;
    void show_cut(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet) noexcept;

    tap_queue& inner_;
    std::array<std::shared_ptr<frame_sink>, most_sinks> sinks_;
    std::size_t count_ = 0;
    std::span<const bytes_span> body_;
    const seen_frame* sent_ = nullptr; ///< while it is being sent
    const vectors cpu_;
    std::array<octet, most_header_octets + largest_body> cut_; ///< one frame of a super-frame
};

} // namespace tapioca
