#include "proto/wire/pcap.hpp"

#include <bit>

namespace tapioca::wire {
namespace {

struct file_header {
    std::uint32_t magic = 0xa1b2c3d4;
    std::uint16_t major = 2, minor = 4;
    std::uint32_t reserved[2] = {};
    std::uint32_t snapshot_length = pcap_snapshot_length;
    std::uint32_t link_type = 1; // LINKTYPE_ETHERNET
};

struct record_header {
    std::uint32_t seconds, microseconds, captured, original;
};

} // namespace

pcap_file_header make_pcap_file_header() noexcept { return std::bit_cast<pcap_file_header>(file_header{}); }

pcap_record_header make_pcap_record_header(duration since_1970, std::size_t frame_length) noexcept
{
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count();
    return std::bit_cast<pcap_record_header>(
        record_header{static_cast<std::uint32_t>(us / 1'000'000), static_cast<std::uint32_t>(us % 1'000'000),
                      static_cast<std::uint32_t>(pcap_captured(frame_length)), static_cast<std::uint32_t>(frame_length)});
}

} // namespace tapioca::wire
