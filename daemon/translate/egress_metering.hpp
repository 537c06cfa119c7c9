// The rate and the quota of the egress policy, as one worker applies them to what crosses the tap. Payload counts, in both
// directions and whoever began the flow.
#pragma once

#include "proto/policy/egress_meter.hpp"

namespace tapioca {

class egress_metering {
public:
    egress_metering() noexcept = default;
    /// `all`: of all workers; outlives this.
    explicit egress_metering(egress_meter& all) noexcept : meter_(&all) {}

    /// From now on the limits are those of that policy, which outlives this or the next call; null: there is none.
    void adopt(const egress_policy* policy) noexcept
    {
        const bool limits = policy != nullptr && (policy->limits.octets_per_second != 0 || policy->limits.quota != 0);
        limits_ = limits && meter_ != nullptr ? &policy->limits : nullptr;
    }

    /// Whether anything is metered. The others may be asked only then.
    [[nodiscard]] bool is_on() const noexcept { return limits_ != nullptr; }
    [[nodiscard]] bool is_open(instant now) const noexcept { return meter_->opens_at(*limits_) <= now; }
    [[nodiscard]] instant opens_at() const noexcept { return meter_->opens_at(*limits_); }
    /// Octets that a flow may move before others have their turn: those of a millisecond.
    [[nodiscard]] std::size_t share_of_flow() const noexcept
    {
        constexpr std::uint64_t least = 1448, most = 65536;
        return limits_->octets_per_second == 0 ? most : std::clamp(limits_->octets_per_second / 1000, least, most);
    }
    /// What a flow may move now.
    [[nodiscard]] std::size_t allowance(instant now) const noexcept { return is_open(now) ? share_of_flow() : 0; }
    void charge(std::size_t octets, instant now) const noexcept
    {
        if (octets != 0)
            meter_->charge(*limits_, octets, now);
    }
    /// Of datagrams, which cannot wait. False: they are dropped.
    [[nodiscard]] bool lets_pass(std::size_t octets, instant now) const noexcept
    {
        if (meter_->opens_to_datagrams_at(*limits_) > now || is_used_up(now))
            return false;
        charge(octets, now);
        return true;
    }
    [[nodiscard]] bool is_used_up(instant now) const noexcept { return meter_->is_used_up(*limits_, now); }

private:
    egress_meter* meter_ = nullptr;
    const egress_limits* limits_ = nullptr;
};

} // namespace tapioca
