// An egress policy of any rules, profile and pins, judged beside a search through the rules one by one.
#include "proto/policy/egress_policy.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/fuzz.hpp"

#include <algorithm>

using namespace tapioca;

namespace {

/// Few enough that rules, pins and destinations meet; some carry others.
ip_address take_address(fuzz_input& in)
{
    const auto which = in.take<octet>();
    const auto last = static_cast<octet>(which >> 3 & 7);
    switch (which % 8) {
    case 0:
        return ip_address::v4(127, 0, 0, last);
    case 1:
        return ip_address::v4(10, 0, 0, last);
    case 2:
        return ip_address::v4(169, 254, 169, static_cast<octet>(247 + last));
    case 3:
        return ip_address::v6({0x64, 0xff9b, 0, 0, 0, 0, 0xc000, static_cast<std::uint16_t>(0x200 + last)});
    case 4:
        return ip_address::v6({0x2002, 0x0a00, last, 0, 0, 0, 0, 1});
    case 5:
        return ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, last});
    default:
        return ip_address::v4(192, 0, 2, last);
    }
}

egress_service take_service(fuzz_input& in)
{
    constexpr octet protocols[] = {0, wire::protocol_tcp, wire::protocol_udp, wire::protocol_icmp};
    const auto what = in.take<octet>();
    const auto first = static_cast<std::uint16_t>(850 + (what >> 2 & 7));
    return {protocols[what % 4], {first, static_cast<std::uint16_t>((what & 0x80) != 0 ? 65535 : first + (what >> 5 & 3))}};
}

egress_address_rule take_rule(fuzz_input& in, egress_action action, std::uint16_t number)
{
    egress_address_rule r{action, take_service(in), std::nullopt, {take_address(in), 0}, number};
    const auto length = in.take<octet>();
    r.network.length = static_cast<std::uint8_t>(length % (r.network.address.is_v4() ? 33 : 129));
    if (length >= 240)
        r.by_class = static_cast<address_class>(length % static_cast<unsigned>(address_class::count_));
    return r;
}

/// Whether one of the rules means the destination or what it carries.
bool any_means(const std::vector<egress_address_rule>& rules, const host_places& host, octet protocol, const endpoint& to)
{
    const auto classes = classes_of(host, to.address);
    const auto carried = carried_address(to.address);
    return std::any_of(rules.begin(), rules.end(), [&](const egress_address_rule& r) {
        const bool there =
            r.by_class ? classes.has(*r.by_class) : r.network.contains(to.address) || (carried && r.network.contains(*carried));
        return there && r.service.meets(protocol, to.port);
    });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    egress_policy policy;
    policy.profile = static_cast<egress_profile>(in.take<octet>() % 5);
    policy.mode = static_cast<egress_mode>(in.take<octet>() % 2);
    std::vector<egress_address_rule> denied, allowed;
    for (auto left = in.take<octet>() % 8; left != 0; --left)
        denied.push_back(take_rule(in, egress_action::deny, static_cast<std::uint16_t>(denied.size())));
    for (auto left = in.take<octet>() % 8; left != 0; --left)
        allowed.push_back(take_rule(in, egress_action::allow, static_cast<std::uint16_t>(100 + allowed.size())));
    policy.denied = address_rules{denied};
    policy.allowed = address_rules{allowed};
    const auto pins = std::make_shared<pin_table>(16, siphash_key{1, 2});
    std::vector<pin> pinned;
    for (auto left = in.take<octet>() % 8; left != 0; --left) {
        policy.names.push_back({egress_action::allow, take_service(in), "example", false, false,
                                static_cast<std::uint16_t>(200 + policy.names.size())});
        const pin p{take_address(in), static_cast<std::uint16_t>(in.take<octet>() % 8), 7,
                    instant{duration{1 + in.take<octet>()}}};
        if (pins->set(p)) {
            std::erase_if(pinned, [&](const pin& o) { return o.address == p.address && o.rule == p.rule; });
            pinned.push_back(p);
        }
    }
    policy.pins = pins;
    host_places host;
    host.own = {take_address(in)};
    while (!in.empty()) {
        const endpoint to{take_address(in), static_cast<std::uint16_t>(848 + in.take<octet>() % 16)};
        constexpr octet protocols[] = {wire::protocol_tcp, wire::protocol_udp, wire::protocol_icmp};
        const auto protocol = protocols[in.take<octet>() % 3];
        const instant now{duration{in.take<octet>()}};
        const auto verdict = judge(policy, host, protocol, to, now);
        const bool is_denied = any_means(denied, host, protocol, to);
        const bool around = policy.has_names() && to.port == 853 && protocol != wire::protocol_icmp;
        const bool is_allowed = any_means(allowed, host, protocol, to);
        const bool is_pinned = std::any_of(pinned.begin(), pinned.end(), [&](const pin& p) {
            return p.address == to.address && p.until > now && p.rule < policy.names.size() &&
                   policy.names[p.rule].service.meets(protocol, to.port);
        });
        const auto ground = is_denied    ? egress_ground::rule
                            : around     ? egress_ground::around_names
                            : is_allowed ? egress_ground::rule
                            : is_pinned  ? egress_ground::name
                                         : egress_ground::profile;
        FUZZ_CHECK(verdict.ground == ground);
        if (ground != egress_ground::profile)
            FUZZ_CHECK((verdict.says == egress_action::allow) == !(is_denied || around));
        FUZZ_CHECK(verdict.passes == (verdict.says == egress_action::allow || policy.mode == egress_mode::audit));
    }
    return 0;
}
