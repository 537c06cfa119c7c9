// A tap queue that also copies every frame, in both directions, to a capture file (pcap, microseconds). Records of several
// workers may interleave, but each is written whole. A frame that waits for its checksum is captured as it is, and so is a
// super-frame; one that is longer than an IP header can say is captured as the frames that it becomes.
#pragma once

#include "daemon/tap/tap_queue.hpp"
#include "proto/base/checksum.hpp"
#include "proto/frame/emit.hpp"

#include <array>

namespace tapioca {

class capture_queue final : public tap_queue {
public:
    /// `file`: opened for writing, its header written; -1: nothing is captured. Both outlive the queue.
    capture_queue(tap_queue& inner, int file) noexcept;

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

private:
    void record(bytes_view frame) noexcept { record({&frame, 1}, frame.size()); }
    void record(std::span<const bytes_view> pieces, std::size_t length) noexcept;
    void record_cut(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet) noexcept;

    tap_queue& inner_;
    int file_;
    std::span<const bytes_span> body_;
    const vectors cpu_;
    std::array<octet, most_header_octets + largest_body> cut_; ///< one frame of a super-frame
};

/// Writes the header of a capture file.
void begin_capture(int file) noexcept;

} // namespace tapioca
