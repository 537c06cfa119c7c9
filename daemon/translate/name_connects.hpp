// Connections of the guest to our name service that no resolver has accepted yet.
#pragma once

#include "proto/base/fixed_vector.hpp"
#include "proto/base/time.hpp"
#include "proto/flow/key.hpp"
#include "proto/forward/resolver_choice.hpp"

#include <algorithm>

namespace tapioca {

struct name_connect {
    flow_id flow;
    resolver_choice::set tried = 0;  ///< of the present list
    resolver_choice::set silent = 0; ///< of those: they did not answer, or cannot be reached
    std::uint8_t current = 0;
    std::uint32_t generation = 0; ///< of the list
    instant due;                  ///< when the next one is asked
};

class name_connects {
public:
    /// False if there is no room: the connection has to do with one resolver.
    bool add(const name_connect& c) noexcept { return list_.push_back(c); }
    [[nodiscard]] name_connect* find(flow_id flow) noexcept
    {
        auto* const at = std::find_if(list_.begin(), list_.end(), [&](const auto& c) { return c.flow == flow; });
        return at == list_.end() ? nullptr : at;
    }
    void remove(flow_id flow) noexcept
    {
        if (auto* c = find(flow)) {
            *c = list_.back();
            list_.pop_back();
        }
    }
    /// One whose time has come; null if there is none.
    [[nodiscard]] name_connect* due(instant now) noexcept
    {
        auto* const at = std::find_if(list_.begin(), list_.end(), [&](const auto& c) { return c.due <= now; });
        return at == list_.end() ? nullptr : at;
    }
    [[nodiscard]] instant next_deadline() const noexcept
    {
        auto next = instant::max();
        for (const auto& c : list_)
            next = std::min(next, c.due);
        return next;
    }

private:
    fixed_vector<name_connect, 64> list_;
};

} // namespace tapioca
