#include "daemon/tap/tun_queue.hpp"

#include "proto/frame/emit.hpp"

#include <algorithm>
#include <sys/uio.h>
#include <unistd.h>

namespace tapioca {
namespace {

using vnet_header = wire::virtio_net_header;

// The largest datagram has 14 + 65535 octets behind its virtio-net header: a buffer of 64 KiB would cut it off without a word.
constexpr std::size_t buffer_octets = 66 * 1024;
static_assert(buffer_octets > sizeof(vnet_header) + 14 + 65535);
static_assert(tap_headroom >= sizeof(vnet_header) + most_header_octets);

/// Where the next frame may begin.
constexpr std::size_t rounded_up(std::size_t octets) noexcept { return (octets + 63) / 64 * 64; }

} // namespace

tun_queue::tun_queue(tun_descriptor opened, report::counters& counters)
    : opened_(std::move(opened)), counters_(counters), memory_(large_frames * buffer_octets + tap_headroom + largest_body)
{
}

// syscalls: read
std::span<const rx_frame> tun_queue::receive_from(int queue, std::size_t most) noexcept
{
    auto room = memory_.as<octet>().first(large_frames * buffer_octets);
    std::size_t count = 0;
    for (std::size_t reads = std::min(most, most_frames); reads != 0 && room.size() >= buffer_octets; --reads) {
        const auto n = ::read(queue, room.data(), buffer_octets);
        if (n <= 0)
            break;
        auto got = room.first(static_cast<std::size_t>(n));
        if (got.size() == buffer_octets) {
            counters_.drop(drop_reason::tap_truncated);
            continue;
        }
        auto& frame = frames_[count];
        frame.vnet = {};
        if (opened_.vnet_header) {
            if (got.size() < sizeof frame.vnet)
                continue;
            std::memcpy(&frame.vnet, got.data(), sizeof frame.vnet);
            got = got.subspan(sizeof frame.vnet);
        }
        frame.octets = got;
        counters_.add(report::counter::octets_from_guest, got.size());
        ++count;
        room = room.subspan(rounded_up(static_cast<std::size_t>(n)));
    }
    counters_.add(report::counter::frames_from_guest, count);
    return {frames_.data(), count};
}

tx_slot tun_queue::acquire() noexcept
{
    return memory_.as<octet>().subspan(large_frames * buffer_octets + tap_headroom, largest_body);
}

bool tun_queue::commit(const vnet_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    return send(vnet, acquire().data(), headers, payload);
}

/// Puts the virtio-net header in front of a frame, if the device wants one. Where what is written begins.
octet* tun_queue::stamp(octet* frame, const vnet_header& vnet) const noexcept
{
    if (!opened_.vnet_header)
        return frame;
    const auto header = opened_.offload.checksum ? vnet : vnet_header{};
    return static_cast<octet*>(std::memcpy(frame - sizeof header, &header, sizeof header));
}

// syscalls: write
bool tun_queue::send(const vnet_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept
{
    octet* const frame = payload - headers;
    const auto octets = headers + length;
    if (!opened_.offload.checksum)
        complete_checksum({frame, octets}, vnet);
    octet* const at = stamp(frame, vnet);
    return done(::write(opened_.fd.get(), at, static_cast<std::size_t>(payload - at) + length), octets);
}

// syscalls: writev
bool tun_queue::commit_pieces(const vnet_header& vnet, std::size_t headers, std::span<const bytes_view> payload) noexcept
{
    if (!opened_.offload.checksum)
        return tap_queue::commit_pieces(vnet, headers, payload);
    std::array<iovec, 1 + most_pieces> pieces;
    octet* const body = acquire().data();
    octet* const at = stamp(body - headers, vnet);
    pieces[0] = {at, static_cast<std::size_t>(body - at)};
    std::size_t count = 1, octets = headers;
    for (const auto piece : payload.first(std::min(payload.size(), most_pieces))) {
        pieces[count++] = {const_cast<octet*>(piece.data()), piece.size()};
        octets += piece.size();
    }
    return done(::writev(opened_.fd.get(), pieces.data(), static_cast<int>(count)), octets);
}

/// Counts a frame as sent, or as refused.
bool tun_queue::done(ssize_t written, std::size_t octets) noexcept
{
    if (written < 0) {
        counters_.drop(drop_reason::tap_write_failed);
        return false;
    }
    counters_.add(report::counter::frames_to_guest);
    counters_.add(report::counter::octets_to_guest, octets);
    return true;
}

} // namespace tapioca
