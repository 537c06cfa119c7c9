// What instances count, as OpenMetrics text (https://openmetrics.io), without addresses and names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tapioca::client {

using count_list = std::map<std::string, std::uint64_t>;

/// One instance's part.
struct counted_instance {
    std::string pid, version, mode;
    count_list counters, ignored, drops, ends;
};

[[nodiscard]] std::string metrics_of(const std::vector<counted_instance>& all);

} // namespace tapioca::client
