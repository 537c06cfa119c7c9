#include "daemon/tap/pcap_file.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/tap/tap_queue.hpp"
#include "proto/wire/pcap.hpp"

#include <sys/uio.h>
#include <unistd.h>

namespace tapioca {

// syscalls: write
void pcap_file::begin(int file) noexcept
{
    const auto header = wire::make_pcap_file_header();
    (void)!::write(file, header.data(), header.size());
}

// syscalls: writev
void pcap_file::take(const seen_frame& frame) noexcept
{
    if (frame.dropped)
        return; // the format has no place for the reason
    const auto length = frame.octets.octets;
    auto header = wire::make_pcap_record_header(os::since_1970(), length);
    std::array<iovec, 1 + most_pieces_of_frame> parts{{{header.data(), header.size()}}};
    int count = 1;
    frame.octets.each(0, wire::pcap_captured(length), [&](bytes_view part) {
        parts[static_cast<std::size_t>(count++)] = {const_cast<octet*>(part.data()), part.size()};
    });
    (void)!::writev(file_, parts.data(), count);
}

} // namespace tapioca
