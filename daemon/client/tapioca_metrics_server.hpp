// Metrics for a collector that fetches them by HTTP: one client after the other, each for a few seconds at most, on a UNIX socket
// or a port of loopback. Of HTTP/1.0 (RFC 1945) and HTTP/1.1 (RFC 9110) just what a collector needs.
#pragma once

#include "daemon/client/tapioca_metrics.hpp"
#include "proto/base/address.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tapioca::client {

struct listen_place {
    std::string path; ///< of a UNIX socket; empty: address and port
    ip_address address;
    std::uint16_t port = 0;
};

/// unix:PATH, 127.0.0.1:PORT or [::1]:PORT; nothing for whatever is not that, and for addresses that others can reach.
[[nodiscard]] std::optional<listen_place> parse_listen_place(std::string_view text);

using metrics_source = std::function<std::string(metrics_format)>;

/// What is answered to the head of a request: metrics for GET and HEAD of / and /metrics, as OpenMetrics where the client takes
/// that.
[[nodiscard]] std::string answer_to(std::string_view request, const metrics_source& metrics);

/// Returns when it is told to end by SIGINT or SIGTERM, which remain blocked. A socket at a path is removed. Throws
/// control_failure.
void serve_metrics(const listen_place& where, const metrics_source& metrics);

} // namespace tapioca::client
