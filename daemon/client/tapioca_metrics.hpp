// What instances count, for collectors, without addresses and names. Two formats: the text format 0.0.4 of Prometheus, which
// files of metrics have and promtool(1) checks, and OpenMetrics 1.0 (https://openmetrics.io). They differ in where a counter's
// name ends in
// `_total`, and in the type of `tapioca_info`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tapioca::client {

enum class metrics_format : std::uint8_t { prometheus, openmetrics };

using count_list = std::map<std::string, std::uint64_t>;

/// One instance's part.
struct counted_instance {
    std::string pid, version, mode;
    count_list counters, ignored, drops, ends;
};

[[nodiscard]] std::string metrics_of(const std::vector<counted_instance>& all, metrics_format format);

} // namespace tapioca::client
