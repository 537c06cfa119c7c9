#include "daemon/tap/capture_queue.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/cpu.hpp"
#include "proto/frame/segmentation.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/pcap.hpp"

#include <sys/uio.h>
#include <unistd.h>

namespace tapioca {

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
    for (const auto& frame : frames)
        record(frame.octets);
}

bool capture_queue::commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    return send(vnet, inner_.acquire().data(), headers, payload);
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
void capture_queue::record(bytes_view frame) noexcept
{
    auto header = wire::make_pcap_record_header(os::since_1970(), frame.size());
    const iovec pieces[2] = {{header.data(), header.size()},
                             {const_cast<octet*>(frame.data()), wire::pcap_captured(frame.size())}};
    (void)!::writev(file_, pieces, 2);
}

} // namespace tapioca
