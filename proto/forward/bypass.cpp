#include "proto/forward/bypass.hpp"

#include "proto/base/port_set.hpp"

#include <algorithm>

namespace tapioca {
namespace {

bool takes(const forward_rule& rule, const ip_address& address) noexcept
{
    const auto other = address.is_v4() ? listen_stack::ipv6 : listen_stack::ipv4;
    return !rule.scan && rule.stack != other && (rule.address.is_unspecified() || rule.address == address) &&
           (rule.interface.empty() || rule.interface.view() == "lo");
}

/// Follows connections of one protocol to one loopback address.
class tracer {
public:
    tracer(const forward_rules& host, const forward_rules& guest, octet protocol, const ip_address& address) noexcept
        : host_(host), guest_(guest), protocol_(protocol), address_(address)
    {
    }

    std::optional<rule_circle> from(std::uint16_t first) noexcept
    {
        auto at = first;
        while (!known_.test(at)) {
            if (path_.test(at))
                return *next(at);
            path_.set(at);
            const auto step = next(at);
            if (!step)
                break;
            at = target(*step, at);
        }
        forget_path(first);
        return std::nullopt;
    }

private:
    /// The rules that lead from a port of the host's loopback to another one.
    [[nodiscard]] std::optional<rule_circle> next(std::uint16_t port) const noexcept
    {
        const auto* there = rule_on_loopback(host_, protocol_, address_, port);
        if (there == nullptr || !there->target.is_unspecified())
            return std::nullopt;
        const auto* back = rule_on_loopback(guest_, protocol_, address_, there->target_port(port));
        return back == nullptr ? std::nullopt : std::optional{rule_circle{*there, *back}};
    }
    [[nodiscard]] static std::uint16_t target(const rule_circle& step, std::uint16_t port) noexcept
    {
        return step.back.target_port(step.there.target_port(port));
    }

    /// The ports of a path that ended need not be looked at again.
    void forget_path(std::uint16_t at) noexcept
    {
        while (path_.test(at)) {
            path_.reset(at);
            known_.set(at);
            if (const auto step = next(at))
                at = target(*step, at);
        }
    }

    const forward_rules &host_, &guest_;
    octet protocol_;
    const ip_address& address_;
    port_set path_, known_;
};

std::optional<rule_circle> circle_of(const forward_rule& rule, const ip_address& address, const forward_rules& host,
                                     const forward_rules& guest) noexcept
{
    if (!takes(rule, address))
        return std::nullopt;
    tracer t{host, guest, rule.protocol, address};
    for (unsigned port = rule.first; port <= rule.last; ++port)
        if (const auto found = t.from(static_cast<std::uint16_t>(port)))
            return found;
    return std::nullopt;
}

} // namespace

const forward_rule* rule_on_loopback(const forward_rules& rules, octet protocol, const ip_address& address,
                                     std::uint16_t port) noexcept
{
    for (const forward_rule& rule : rules)
        if (rule.protocol == protocol && rule.first <= port && port <= rule.last && takes(rule, address))
            return &rule;
    return nullptr;
}

std::optional<ip_address> bypass_destination(const bypass_request& request, bool same_loopback, const guest_addresses& guest,
                                             const forward_rules& guest_rules) noexcept
{
    const bool loopbacks = request.client.is_loopback() && request.asked.is_loopback();
    if (request.side == rule_side::guest)
        return loopbacks ? std::optional{request.asked} : std::nullopt;
    if (same_loopback && loopbacks)
        return request.asked;
    const auto family = request.client.family();
    const auto& known = family == ip_family::ipv4 ? guest.v4 : guest.v6;
    if (!known.is_unspecified())
        return known;
    const auto loopback = ip_address::loopback(family);
    const bool ours = rule_on_loopback(guest_rules, request.protocol, loopback, request.server_port) != nullptr;
    return ours ? std::nullopt : std::optional{loopback};
}

std::optional<ip_address> other_bypass_destination(const bypass_request& request, const ip_address& tried, bool same_loopback,
                                                   const guest_addresses& guest, const forward_rules& host_rules,
                                                   const forward_rules& guest_rules) noexcept
{
    if (tried.is_loopback() && tried != ip_address::loopback(tried.family()))
        return std::nullopt; // nobody's localhost
    const bool from_host = request.side == rule_side::host;
    const auto loopback = ip_address::loopback(tried.is_v4() ? ip_family::ipv6 : ip_family::ipv4);
    auto other = request;
    other.client = other.asked = loopback;
    const auto to = bypass_destination(other, same_loopback, guest, guest_rules);
    if (to != loopback)
        return to;
    const auto& ours = from_host ? guest_rules : host_rules;
    const bool scans = from_host && std::ranges::any_of(ours, [&](const forward_rule& rule) {
                           return rule.scan && rule.protocol == request.protocol && rule.first <= request.server_port &&
                                  request.server_port <= rule.last;
                       });
    return scans || rule_on_loopback(ours, request.protocol, loopback, request.server_port) != nullptr ? std::nullopt : to;
}

std::optional<rule_circle> find_circle(const forward_rules& host, const forward_rules& guest) noexcept
{
    for (const forward_rule& rule : host) {
        const auto& own = rule.address;
        for (const auto& address : {own.is_loopback() ? own : ip_address::loopback(ip_family::ipv4),
                                    own.is_loopback() ? own : ip_address::loopback(ip_family::ipv6)})
            if (const auto found = circle_of(rule, address, host, guest))
                return found;
    }
    return std::nullopt;
}

} // namespace tapioca
