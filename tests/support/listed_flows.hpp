// The flows of a plane as they are listed.
#pragma once

#include "daemon/plane/plane.hpp"

#include <optional>
#include <vector>

namespace tapioca::test {

/// All of them, in slices of `most` slots.
inline std::vector<flow_view> listed_flows(plane& p, std::uint32_t most = 7, instant now = {})
{
    struct : flow_visitor {
        std::vector<flow_view> seen;
        void visit(const flow_view& f) noexcept override { seen.push_back(f); }
    } all;
    for (std::optional at{plane::place{}}; at;)
        at = p.visit_flows(*at, most, all, now);
    return all.seen;
}

} // namespace tapioca::test
