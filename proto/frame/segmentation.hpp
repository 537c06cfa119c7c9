// What a network card does behind a driver: cuts a super-frame into frames and completes their checksums, for back-ends that take
// neither. Octets are copied and summed in one pass.
#pragma once

#include "proto/base/checksum.hpp"
#include "proto/wire/virtio_net.hpp"

namespace tapioca {

/// The frames of one super-frame, or of a frame that is none. Read emit.hpp for what the two consist of.
class segmenter {
public:
    /// `headers`: Ethernet to TCP or UDP, as emit_tcp() and emit_udp() write them; they and `payload` outlive the segmenter.
    segmenter(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet, vectors cpu) noexcept;

    [[nodiscard]] bool done() const noexcept { return done_; }
    /// How long the next frame is.
    [[nodiscard]] std::size_t next_length() const noexcept { return headers_.size() + step(); }
    /// Writes the next frame to `into`, which has room for next_length(), and returns its length.
    std::size_t next(octet* into) noexcept;

private:
    [[nodiscard]] std::size_t step() const noexcept { return left() < size_ ? left() : size_; }
    [[nodiscard]] std::size_t left() const noexcept { return payload_.size() - at_; }
    void patch_network(octet* frame, std::size_t length) const noexcept;
    void patch_transport(octet* frame, std::size_t length) const noexcept;

    bytes_view headers_, payload_;
    wire::virtio_net_header vnet_;
    vectors cpu_;
    std::size_t size_; ///< payload of each frame but the last
    std::size_t at_ = 0;
    bool done_ = false;
};

} // namespace tapioca
