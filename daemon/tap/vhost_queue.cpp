#include "daemon/tap/vhost_queue.hpp"

#include "daemon/os/event_fd.hpp"

#include <algorithm>

namespace tapioca {

using vhost::is_to_guest;
using vhost::split_queue;

vhost_queue::vhost_queue(const vhost::memory_map& map, const vhost::dirty_log& log, report::counters& counters)
    : map_(map), log_(log), counters_(counters),
      memory_(most_frames * copied_octets + largest_frame + tap_headroom + largest_body)
{
    calls_.fill(-1);
    auto all = memory_.as<octet>();
    heads_ = all.first(most_frames * copied_octets);
    joined_ = all.subspan(heads_.size(), largest_frame);
    slot_ = all.subspan(heads_.size() + joined_.size());
}

void vhost_queue::set_features(vhost::feature_set features) noexcept
{
    const auto has = [features](vhost::feature_set f) { return (features & f) == f; };
    features_ = features;
    offload_.checksum = has(vhost::guest_csum);
    offload_.tso = offload_.checksum && has(vhost::guest_tso4 | vhost::guest_tso6);
    offload_.uso = offload_.checksum && has(vhost::guest_uso4 | vhost::guest_uso6);
}

void vhost_queue::start(std::uint32_t index, const split_queue::setup& setup, int call) noexcept
{
    rings_[index] = split_queue{setup};
    calls_[index] = call;
    running_.push_back(index);
    (void)rings_[index].ask_for_kicks(); // whoever was here before us may have refused them
    if (is_to_guest(index))
        accepts_.store(true, std::memory_order_relaxed);
    else
        more_.store(true, std::memory_order_relaxed); // there may be something from before we came
}

void vhost_queue::move(std::uint32_t index, const split_queue::memory& to) noexcept
{
    forget_posted();
    rings_[index].move(to);
}

std::uint16_t vhost_queue::stop(std::uint32_t index) noexcept
{
    forget_posted();
    const auto next = rings_[index].next();
    rings_[index] = {};
    for (std::size_t i = 0; i < running_.size(); ++i)
        if (running_[i] == index)
            running_.erase(i);
    if (answers_on_ == index)
        answers_on_ = 1;
    const bool can_send = std::ranges::any_of(running_, is_to_guest);
    accepts_.store(can_send, std::memory_order_relaxed); // if it was the ring that starved, another one may not
    return next;
}

std::optional<std::pair<std::uint32_t, vhost::ring_fault>> vhost_queue::fault() const noexcept
{
    for (const auto index : running_)
        if (const auto why = rings_[index].fault(); why != vhost::ring_fault::none)
            return std::pair{index, why};
    return std::nullopt;
}

void vhost_queue::on_kick(std::uint32_t index) noexcept
{
    if (!rings_[index])
        return;
    if (!is_to_guest(index))
        return more_.store(true, std::memory_order_relaxed);
    accepts_.store(true, std::memory_order_relaxed);
    rings_[index].refuse_kicks();
}

void vhost_queue::call(std::uint32_t index) noexcept
{
    if (calls_[index] >= 0)
        os::signal(calls_[index]);
}

/// Once a turn.
void vhost_queue::flush() noexcept
{
    give_back_taken();
    forget_posted();
    for (const auto index : running_)
        if (rings_[index].publish(log_))
            call(index);
}

} // namespace tapioca
