// What a flow is called outside of the process: 0.tcp.17.3 is the TCP flow of worker 0 that has slot 17 in its third use. Such a
// name means another flow only when the slot was used 16384 times more.
#pragma once

#include "proto/flow/head.hpp"
#include "proto/flow/key.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tapioca {

struct flow_name {
    std::size_t worker = 0;
    flow_kind kind = flow_kind::tcp;
    flow_id id;
};

[[nodiscard]] std::string to_text(const flow_name& name);
[[nodiscard]] std::optional<flow_name> parse_flow_name(std::string_view text) noexcept;

} // namespace tapioca
