// Filters in the words of pcap-filter(7), made into programs that the daemon runs.
#pragma once

#include "proto/capture/bpf.hpp"

#include <string>
#include <vector>

namespace tapioca::client {

/// The program of a filter for Ethernet; an empty one for an empty filter, which chooses every frame. `snapshot`: how many octets
/// of a frame are kept at most. Throws control_failure, which says what is wrong with it.
[[nodiscard]] std::vector<bpf::instruction> compile_filter(const std::string& words, std::uint32_t snapshot);

} // namespace tapioca::client
