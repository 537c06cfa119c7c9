#include "daemon/plane/plane.hpp"

#include "proto/responder/arp.hpp"
#include "proto/responder/ndp.hpp"

#include <algorithm>

namespace tapioca {
namespace {

template <class... Kinds>
std::array<flow_set*, flow_kinds> by_kind(Kinds&... kinds) noexcept
{
    std::array<flow_set*, flow_kinds> sets{};
    static_assert(sizeof...(kinds) == flow_kinds);
    ((sets[static_cast<std::size_t>(Kinds::own_kind)] = &kinds), ...);
    return sets;
}

} // namespace

plane::plane(const context& ctx, const plane_sizes& sizes, instant start)
    : ctx_(ctx), listeners_(ctx.config->host_rules, ctx.config->guest_rules, ctx.config->rules_may_change),
      tcp_(ctx_, sizes.tcp, start, sizes.tcp_pool), udp_splice_(ctx_, sizes.udp_splice, start),
      udp_(ctx_, udp_splice_, sizes.udp, start), echo_(ctx_, sizes.echo, start), ingress_(ctx_, tcp_, udp_, echo_),
      tcp_splice_(ctx_, sizes.tcp_splice, sizes.large_pipes, start), sets_(by_kind(tcp_, udp_, echo_, tcp_splice_, udp_splice_))
{
    ctx_.metering.adopt(ctx_.config->egress.get());
    ctx_.listeners = &listeners_;
    ctx_.by_rule = &by_rule_;
}

void plane::take(const os::event& e, instant now) noexcept
{
    switch (static_cast<source>(e.what.kind)) {
    case source::tcp_flow:
        return frozen_ ? void() : tcp_.from_socket({e.what.id}, e, now);
    case source::tcp_listener:
        return frozen_ ? void() : accept_from(e.what.id, now);
    case source::udp_port:
        return udp_.from_socket({e.what.id}, e);
    case source::echo_flow:
        return echo_.from_socket({e.what.id}, e);
    case source::udp_splice:
        return udp_splice_.from_socket({e.what.id}, e);
    case source::udp_listener:
        if (const auto* l = listeners_.find(e.what.id))
            udp_.from_listener(l->name, e);
        return;
    case source::tcp_splice_host:
        return tcp_splice_.from_socket(0, {e.what.id}, e, now);
    case source::tcp_splice_guest:
        return tcp_splice_.from_socket(1, {e.what.id}, e, now);
    case source::tap:
    case source::clients:
    case source::mailbox: // the worker's
        return;
    }
}

void plane::end_turn(instant now) noexcept
{
    for (auto* flows : sets_)
        if (!rests(*flows))
            flows->expire(now);
    ingress_.expire(now);
    for (auto* flows : sets_)
        if (!rests(*flows))
            flows->end_turn(now);
    if (ctx_.metering.is_on() || beyond_quota_)
        end_beyond_quota(now);
    ctx_.tap.flush();
    ++turn_;
}

bool plane::has_ready() const noexcept
{
    return beyond_quota_ ||
           std::ranges::any_of(sets_, [this](const flow_set* flows) { return !rests(*flows) && flows->has_ready(); });
}

bool plane::has_weight() const noexcept
{
    return std::ranges::any_of(sets_, [](const flow_set* flows) { return flows->weight() != 0; });
}

instant plane::next_deadline(instant now) const noexcept
{
    if (has_ready())
        return now;
    auto next = ingress_.next_deadline();
    for (const auto* flows : sets_)
        next = rests(*flows) ? next : std::min(next, flows->next_deadline());
    return next;
}

std::optional<plane::place> plane::visit_flows(place from, std::uint32_t most, flow_visitor& visitor, instant now) noexcept
{
    return next_place(from, sets_[from.kind]->visit(from.slot, most, visitor, now));
}

std::optional<plane::place> plane::next_place(place from, std::uint32_t next_slot) const noexcept
{
    if (next_slot != 0)
        return place{from.kind, next_slot};
    return from.kind + 1U < flow_kinds ? std::optional{place{static_cast<std::uint8_t>(from.kind + 1), 0}} : std::nullopt;
}

void plane::advertise_router() noexcept
{
    const auto all_nodes = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 0, 1});
    const auto size = router_advertisement(ctx_.config->net, all_nodes, wire::multicast_mac(all_nodes), ctx_.tap.acquire());
    if (size != 0 && ctx_.tap.commit({}, 0, size))
        ctx_.counters.add(report::counter::router_advertisements);
}

void plane::greet_guest() noexcept
{
    const auto& net = ctx_.config->net;
    if (net.ipv4)
        if (const auto size = arp_request(net, ctx_.tap.acquire()); size != 0)
            ctx_.tap.commit({}, 0, size);
    if (net.ipv6 && net.ndp)
        if (const auto size = neighbour_solicitation(net, ctx_.tap.acquire()); size != 0)
            ctx_.tap.commit({}, 0, size);
    ctx_.tap.flush();
}

leftovers plane::left_over(bool guest_is_there) noexcept
{
    auto left = frozen_ ? leftovers{} : tcp_.left_over(guest_is_there);
    left.octets = left.octets || tcp_splice_.is_owing();
    return left;
}

} // namespace tapioca
