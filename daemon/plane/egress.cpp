// Flows that the egress policy does not let live any more: denied by another policy, or beyond its quota.

#include "daemon/translate/egress.hpp"

#include "daemon/plane/plane.hpp"

namespace tapioca {
namespace {

struct denials final : flow_judge {
    context& ctx;
    instant now;

    denials(context& c, instant n) noexcept : ctx(c), now(n) {}
    [[nodiscard]] std::optional<end_reason> judge(const flow_view& f) noexcept override
    {
        if (verdict_on(ctx, f).passes)
            return std::nullopt;
        report_denial(ctx, f.key, "by the policy that is in force now", now);
        return end_reason::egress_denied;
    }
};

struct quota_end final : flow_judge {
    [[nodiscard]] std::optional<end_reason> judge(const flow_view& f) noexcept override
    {
        return crosses_tap(f.head.kind) ? std::optional{end_reason::egress_limit} : std::nullopt;
    }
};

constexpr std::uint32_t slots_per_turn = 1024;

} // namespace

std::optional<plane::place> plane::end_denied(place from, std::uint32_t most, instant now) noexcept
{
    denials judge{ctx_, now};
    return next_place(from, sets_[from.kind]->end_some(from.slot, most, judge, now));
}

/// New ones are refused until the period is over, so in the end there are none.
void plane::end_beyond_quota(instant now) noexcept
{
    const auto crossing = tcp_.flow_count() + udp_.flow_count() + echo_.flow_count();
    if (crossing == 0 || !ctx_.metering.is_on() || !ctx_.metering.is_used_up(now))
        return beyond_quota_.reset();
    quota_end judge;
    const auto from = beyond_quota_.value_or(place{});
    beyond_quota_ = next_place(from, sets_[from.kind]->end_some(from.slot, slots_per_turn, judge, now));
    if (!beyond_quota_ && tcp_.flow_count() + udp_.flow_count() + echo_.flow_count() != 0)
        beyond_quota_ = place{};
}

} // namespace tapioca
