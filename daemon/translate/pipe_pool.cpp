#include "daemon/translate/pipe_pool.hpp"

#include <utility>

namespace tapioca {

pipe_pool::pipe_pool(std::size_t large) noexcept : large_left_(large)
{
    for (std::size_t i = 0; i + 1 < most_pipes; ++i)
        pipes_[i].next = static_cast<handle>(i + 2);
}

/// Returns what the pipe holds.
std::size_t pipe_pool::enlarge(int pipe) const noexcept
{
    if (large_left_ != 0)
        if (const auto octets = os::set_pipe_size(pipe, large_octets))
            return *octets;
    const auto octets = os::set_pipe_size(pipe, usual_octets); // tells whether the pipe has the usual size
    return octets ? *octets : least_octets;
}

/// Puts a fresh pipe among the idle ones.
bool pipe_pool::make() noexcept
{
    if (refused_ || unmade_ == 0)
        return false;
    auto ends = os::make_pipe();
    if (!ends) {
        refused_ = true;
        return false;
    }
    const auto octets = enlarge(ends->in.get());
    if (octets >= large_octets)
        --large_left_;
    const auto made = unmade_;
    auto& p = pipes_[made - 1U];
    unmade_ = p.next;
    p.ends = std::move(*ends);
    p.octets = static_cast<std::uint32_t>(octets);
    p.next = idle_;
    idle_ = made;
    ++idle_count_;
    return true;
}

void pipe_pool::let_grow(entry& p) noexcept
{
    if (p.octets >= usual_octets || growth_refused_)
        return;
    p.octets = static_cast<std::uint32_t>(enlarge(p.ends.in.get()));
    growth_refused_ = p.octets < usual_octets;
    if (p.octets >= large_octets)
        --large_left_;
}

pipe_pool::handle pipe_pool::borrow() noexcept
{
    if (idle_ == 0 && !make())
        return 0;
    const auto taken = idle_;
    let_grow(pipes_[taken - 1U]);
    idle_ = pipes_[taken - 1U].next;
    --idle_count_;
    ++borrowed_;
    return taken;
}

void pipe_pool::give_back(handle empty) noexcept
{
    if (idle_count_ >= kept_idle)
        return close(empty);
    pipes_[empty - 1U].next = idle_;
    idle_ = empty;
    ++idle_count_;
    --borrowed_;
}

void pipe_pool::close(handle full) noexcept
{
    auto& p = pipes_[full - 1U];
    if (p.octets >= large_octets)
        ++large_left_;
    p.ends = {};
    p.next = unmade_;
    unmade_ = full;
    --borrowed_;
    refused_ = false;
}

bool pipe_pool::can_hold(std::size_t octets) noexcept
{
    if (idle_ == 0 && !make())
        return false;
    auto& p = pipes_[idle_ - 1U];
    if (p.octets < octets)
        let_grow(p);
    return p.octets >= octets;
}

} // namespace tapioca
