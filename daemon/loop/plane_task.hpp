// Something that the control plane has a worker do with its plane between two turns. It owns the memory; the worker allocates
// nothing.
#pragma once

#include "daemon/plane/plane.hpp"

#include <atomic>
#include <memory>

namespace tapioca {

class plane_task {
public:
    virtual ~plane_task() = default;

    /// The worker's part, once.
    void carry_out(plane& what, instant now) noexcept
    {
        act(what, now);
        done_.store(true, std::memory_order_release);
    }
    [[nodiscard]] bool is_done() const noexcept { return done_.load(std::memory_order_acquire); }

protected:
    plane_task() = default;

private:
    virtual void act(plane& what, instant now) noexcept = 0;

    std::atomic<bool> done_ = false;
};

using in_plane = std::shared_ptr<plane_task>;

} // namespace tapioca
