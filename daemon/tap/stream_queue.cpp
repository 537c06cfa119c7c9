#include "daemon/tap/stream_queue.hpp"

#include "daemon/os/cpu.hpp"
#include "proto/frame/emit.hpp"
#include "proto/frame/segmentation.hpp"
#include "proto/wire/stream_framing.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>

namespace tapioca {

using wire::stream_front;

stream_queue::stream_queue(report::counters& counters)
    : counters_(counters), cpu_(os::cpu_vectors()), memory_(receive_octets + send_octets + tap_headroom + slot_octets)
{
    auto all = memory_.as<octet>();
    received_ = all.first(receive_octets);
    sending_ = all.subspan(receive_octets, send_octets);
    slot_ = all.subspan(receive_octets + send_octets);
}

void stream_queue::attach(os::unique_fd client) noexcept
{
    detach();
    client_ = std::move(client);
}

bool stream_queue::attach(os::unique_fd& client, bytes_view received, bytes_view to_send) noexcept
{
    if (received.size() > receive_octets || to_send.size() > send_octets)
        return false;
    attach(std::move(client));
    std::ranges::copy(received, received_.begin());
    std::ranges::copy(to_send, sending_.begin());
    filled_ = received.size();
    end_ = to_send.size();
    more_ = true;
    return true;
}

void stream_queue::detach() noexcept
{
    client_.reset();
    taken_ = filled_ = begin_ = end_ = 0;
    over_ = misunderstood_ = ending_ = more_ = false;
}

/// Reads once, behind what is there already.
// syscalls: recvfrom
void stream_queue::fill() noexcept
{
    if (taken_ != 0) {
        std::memmove(received_.data(), received_.data() + taken_, filled_ - taken_);
        filled_ -= taken_;
        taken_ = 0;
    }
    const auto room = received_.subspan(filled_);
    const auto n = ::recv(client_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (n <= 0) {
        drained_ = true;
        over_ = n == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    drained_ = static_cast<std::size_t>(n) < room.size() && !ending_;
    filled_ += static_cast<std::size_t>(n);
}

std::size_t stream_queue::parse(std::size_t most) noexcept
{
    std::size_t count = 0;
    while (count < most) {
        const auto front = wire::front_of_stream(received_.subspan(taken_, filled_ - taken_));
        if (front.is == stream_front::state::bad_length)
            over_ = misunderstood_ = true;
        if (front.is != stream_front::state::whole)
            return count;
        taken_ += front.octets();
        counters_.add(report::counter::octets_from_guest, front.frame.size());
        frames_[count++] = {{}, front.frame};
    }
    more_ = true;
    return count;
}

std::span<const rx_frame> stream_queue::receive(std::size_t most) noexcept
{
    most = std::min(most, most_frames);
    more_ = false;
    if (!client_ || misunderstood_)
        return {};
    auto count = parse(most);
    if (count == 0 && !misunderstood_) { // frames that were handed out must stay where they are
        fill();
        count = parse(most);
        more_ = more_ || !drained_;
    } else {
        more_ = true;
    }
    counters_.add(report::counter::frames_from_guest, count);
    return std::span{frames_}.first(count);
}

tx_slot stream_queue::acquire() noexcept { return slot_.subspan(tap_headroom, slot_octets); }

bool stream_queue::commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    return send(vnet, acquire().data(), headers, payload);
}

bool stream_queue::send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept
{
    const auto segments = vnet.gso_type == wire::vnet_gso_none ? 1 : length / vnet.gso_size + 1;
    const auto most = length + segments * (wire::stream_prefix_octets + std::max(headers, least_frame));
    if (!client_ || !make_room(most)) {
        counters_.drop(drop_reason::tap_write_failed);
        return false;
    }
    // Frames from a responder have nothing behind their headers, or no headers in front of their octets.
    put({payload - headers, headers}, {payload, length}, vnet);
    if (end_ - begin_ >= worth_sending)
        flush();
    return true;
}

bool stream_queue::make_room(std::size_t octets) noexcept
{
    if (send_octets - end_ >= octets)
        return true;
    std::memmove(sending_.data(), sending_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return send_octets - end_ >= octets;
}

void stream_queue::put(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet) noexcept
{
    segmenter segments{headers, payload, vnet, cpu_};
    while (!segments.done()) {
        octet* const at = sending_.data() + end_;
        auto length = segments.next(at + wire::stream_prefix_octets);
        if (length < least_frame) {
            std::memset(at + wire::stream_prefix_octets + length, 0, least_frame - length);
            length = least_frame;
        }
        wire::put_stream_length(at, length);
        counters_.add(report::counter::frames_to_guest);
        counters_.add(report::counter::octets_to_guest, length);
        end_ += wire::stream_prefix_octets + length;
    }
}

// syscalls: sendto
void stream_queue::flush() noexcept
{
    while (begin_ != end_) {
        const auto n = ::send(client_.get(), sending_.data() + begin_, end_ - begin_, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            over_ = over_ || (errno != EAGAIN && errno != EINTR);
            return;
        }
        begin_ += static_cast<std::size_t>(n);
    }
    begin_ = end_ = 0;
}

} // namespace tapioca
