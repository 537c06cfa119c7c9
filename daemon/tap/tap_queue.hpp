// One queue of frames to and from a guest: what every back-end looks like to the translators. Its life is tap_device's.
#pragma once

#include "proto/base/bytes.hpp"
#include "proto/wire/virtio_net.hpp"

#include <cstring>
#include <span>

namespace tapioca {

/// A frame from the guest; valid until the next receive(). Where the back-end's memory is the guest's, which may change under our
/// hands, `octets` is a copy of the frame's beginning, and the rest stays where it is.
struct rx_frame {
    wire::virtio_net_header vnet;
    bytes_view octets;
    scattered_view body = {}; ///< what follows them, in most_body_pieces at most

    [[nodiscard]] std::size_t length() const noexcept { return octets.size() + body.octets; }
};

inline constexpr std::size_t most_body_pieces = 32;
/// Of a frame in either direction, with its headers.
inline constexpr std::size_t most_pieces_of_frame = 71;

/// What the back-end does by itself. A back-end without `checksum` completes partial checksums; without `tso` or `uso` it must
/// not be given super-frames.
struct offloads {
    bool checksum = false, tso = false, uso = false;
};

/// Writable room for one frame inside the back-end's memory: headers go in front of `body`, where most_header_octets are
/// writable.
using tx_slot = bytes_span;

class tap_queue {
public:
    static constexpr std::size_t largest_body = 65536;
    static constexpr std::size_t most_frames = 64;  ///< in one batch; as many as UDP_SEGMENT takes
    static constexpr std::size_t large_frames = 16; ///< of 64 KiB: 1 MiB stays inside a 2 MiB cache

    virtual ~tap_queue() = default;

    /// What can be done without asking, for choosing how to cut data.
    [[nodiscard]] virtual offloads offload() const noexcept = 0;

    /// The largest super-frame, from the network header on.
    [[nodiscard]] virtual std::size_t largest_datagram() const noexcept { return 65535; }

    /// Descriptor that is readable when receive() has something.
    [[nodiscard]] virtual int descriptor() const noexcept = 0;

    /// Up to `most` frames; fewer if there are no more now.
    [[nodiscard]] virtual std::span<const rx_frame> receive(std::size_t most) noexcept = 0;

    /// Whether it is worth offering what can wait: without room data is left where it is until the descriptor is writable. What
    /// cannot wait (acknowledgments, answers) may still be accepted then.
    [[nodiscard]] virtual bool accepts_data() const noexcept { return true; }

    /// The next slot; its memory is the same until commit() takes it.
    [[nodiscard]] virtual tx_slot acquire() noexcept = 0;

    /// Sends the slot: `headers` octets in front of the body and `payload` octets of it. False if the frame was refused.
    virtual bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept = 0;

    /// Sends the slot's `headers` and `payload`, which lies elsewhere, in the place of the body: most_pieces at most, and no more
    /// octets than the body has room for.
    static constexpr std::size_t most_pieces = 8;
    virtual bool commit_pieces(const wire::virtio_net_header& vnet, std::size_t headers,
                               std::span<const bytes_view> payload) noexcept
    {
        std::size_t octets = 0;
        const auto body = acquire();
        for (const auto piece : payload) {
            std::memcpy(body.data() + octets, piece.data(), piece.size());
            octets += piece.size();
        }
        return commit(vnet, headers, octets);
    }

    /// Room for a payload behind `headers` octets: `most` octets, or, where the back-end has not as many, as many whole units as
    /// it has, or less than one if it will never have more. None if it has not even one: then accepts_data() says no until it
    /// has. Valid until a frame is sent.
    [[nodiscard]] virtual std::span<const bytes_span> acquire_body(std::size_t /*headers*/, std::size_t /*unit*/,
                                                                   std::size_t most) noexcept
    {
        whole_ = acquire().first(most);
        return {&whole_, 1};
    }

    /// Sends the slot's `headers` and the first `payload` octets of what acquire_body() gave.
    virtual bool commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
    {
        return commit(vnet, headers, payload);
    }

    /// Sends a frame that begins with most_header_octets plus sizeof(virtio_net_header) of writable room in front of `payload`,
    /// which lies outside the back-end.
    virtual bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept = 0;

    /// Ends a turn: whatever was queued goes out.
    virtual void flush() noexcept = 0;

private:
    bytes_span whole_; ///< a body in one piece
};

/// The queue that somebody speaks to, which may become another one between two turns.
class tap_way {
public:
    tap_way(tap_queue& queue) noexcept : queue_(&queue) {}
    void lead_to(tap_queue& queue) noexcept { queue_ = &queue; }
    operator tap_queue&() const noexcept { return *queue_; }

    [[nodiscard]] offloads offload() const noexcept { return queue_->offload(); }
    [[nodiscard]] std::size_t largest_datagram() const noexcept { return queue_->largest_datagram(); }
    [[nodiscard]] bool accepts_data() const noexcept { return queue_->accepts_data(); }
    [[nodiscard]] tx_slot acquire() const noexcept { return queue_->acquire(); }
    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) const noexcept
    {
        return queue_->commit(vnet, headers, payload);
    }
    bool commit_pieces(const wire::virtio_net_header& vnet, std::size_t headers,
                       std::span<const bytes_view> payload) const noexcept
    {
        return queue_->commit_pieces(vnet, headers, payload);
    }
    [[nodiscard]] std::span<const bytes_span> acquire_body(std::size_t headers, std::size_t unit, std::size_t most) const noexcept
    {
        return queue_->acquire_body(headers, unit, most);
    }
    bool commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) const noexcept
    {
        return queue_->commit_body(vnet, headers, payload);
    }
    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) const noexcept
    {
        return queue_->send(vnet, payload, headers, length);
    }
    void flush() const noexcept { queue_->flush(); }

private:
    tap_queue* queue_;
};

/// Room that must be writable in front of a payload given to tap_queue::send.
inline constexpr std::size_t tap_headroom = 112;

} // namespace tapioca
