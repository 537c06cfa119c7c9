// What instances say, for people.
#pragma once

#include "daemon/client/tapioca_metrics.hpp"

#include <boost/json.hpp>

#include <string>
#include <vector>

namespace tapioca::client {

/// What one instance has said: the parameters of its replies.
struct said {
    std::string pid;
    std::vector<boost::json::object> replies;
};

[[nodiscard]] std::string show_instances(const std::vector<said>& all, std::size_t width);
/// `info`: with what the kernel knows of connections.
[[nodiscard]] std::string show_flows(const std::vector<said>& all, std::size_t width, bool info);
[[nodiscard]] std::string show_drops(const std::vector<said>& all, std::size_t width);
[[nodiscard]] std::string show_rules(const std::vector<said>& all, std::size_t width);
/// `all`: of each instance what it is, and what it has counted.
[[nodiscard]] std::string show_metrics(const std::vector<said>& all, metrics_format format);

} // namespace tapioca::client
