#include "daemon/tap/capture_queue.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/cpu.hpp"
#include "proto/frame/segmentation.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/pcap.hpp"

#include <algorithm>
#include <sys/uio.h>
#include <unistd.h>

namespace tapioca {
namespace {

constexpr std::size_t most_pieces_of_record = 72; ///< of which one is its header

} // namespace

// syscalls: write
void begin_capture(int file) noexcept
{
    const auto header = wire::make_pcap_file_header();
    (void)!::write(file, header.data(), header.size());
}

capture_queue::capture_queue(tap_queue& inner, int file) noexcept : inner_(inner), file_(file), cpu_(os::cpu_vectors()) {}

std::span<const rx_frame> capture_queue::receive(std::size_t most) noexcept
{
    const auto frames = inner_.receive(most);
    record(frames);
    return frames;
}

void capture_queue::record(std::span<const rx_frame> frames) noexcept
{
    if (file_ < 0)
        return;
    for (const auto& frame : frames) {
        std::array<bytes_view, 1 + most_body_pieces> pieces{frame.octets};
        std::size_t count = 1;
        frame.body.each(0, frame.body.octets, [&](bytes_view part) { pieces[count++] = part; });
        record(std::span{pieces}.first(count), frame.length());
    }
}

bool capture_queue::commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    return send(vnet, inner_.acquire().data(), headers, payload);
}

bool capture_queue::commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    const octet* const slot = inner_.acquire().data();
    if (body_.size() == 1 && body_.front().data() == slot)
        return commit(vnet, headers, payload);
    std::array<bytes_view, most_pieces_of_record - 1> pieces{bytes_view{slot - headers, headers}};
    std::size_t count = 1;
    for (auto left = payload; left != 0 && count < pieces.size() && count <= body_.size(); ++count) {
        pieces[count] = body_[count - 1].first(std::min(left, body_[count - 1].size()));
        left -= pieces[count].size();
    }
    if (file_ >= 0)
        record(std::span{pieces}.first(count), headers + payload);
    return inner_.commit_body(vnet, headers, payload);
}

bool capture_queue::send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept
{
    constexpr std::size_t longest = sizeof(wire::ethernet_header) + 65535;
    if (headers + length > longest && vnet.gso_type != wire::vnet_gso_none)
        record_cut({payload - headers, headers}, {payload, length}, vnet);
    else
        record({payload - headers, headers + length});
    return inner_.send(vnet, payload, headers, length);
}

void capture_queue::record_cut(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet) noexcept
{
    segmenter segments{headers, payload, vnet, cpu_};
    while (!segments.done() && segments.next_length() <= cut_.size()) {
        const auto length = segments.next(cut_.data());
        record({cut_.data(), length});
    }
}

// syscalls: writev
void capture_queue::record(std::span<const bytes_view> pieces, std::size_t length) noexcept
{
    auto header = wire::make_pcap_record_header(os::since_1970(), length);
    std::array<iovec, most_pieces_of_record> parts{{{header.data(), header.size()}}};
    int count = 1;
    std::size_t left = wire::pcap_captured(length);
    for (const auto piece : pieces) {
        parts[static_cast<std::size_t>(count++)] = {const_cast<octet*>(piece.data()), std::min(left, piece.size())};
        left -= std::min(left, piece.size());
    }
    (void)!::writev(file_, parts.data(), count);
}

} // namespace tapioca
