// Where the guest may connect: an egress policy, ready to judge. It is made once from its files, and exchanged as a whole.
//
// `deny` beats `allow` beats the profile; the order in which rules were written means nothing. A destination is judged as it is
// after translation, so that no mapping of ours leads around a rule.
#pragma once

#include "proto/policy/egress_rule.hpp"
#include "proto/policy/pin_table.hpp"

namespace tapioca {

/// What is denied that no rule speaks of; each denies what those before it do.
enum class egress_profile : std::uint8_t {
    open,
    no_metadata,   ///< @metadata
    no_lan,        ///< @lan as well
    internet_only, ///< @host as well
    deny_all
};

enum class egress_mode : std::uint8_t {
    enforce,
    audit ///< what would be denied is recorded, and passes
};

/// A rule as it was written.
struct egress_rule_text {
    egress_action action = egress_action::deny;
    std::string text; ///< "github.com:22"
    std::string file; ///< where it stands
    unsigned line = 0;
};

/// Zero: no limit.
struct egress_limits {
    std::uint64_t octets_per_second = 0; ///< both directions together
    std::uint32_t connections = 0;       ///< flows of the guest at a time
    std::uint64_t quota = 0;             ///< octets of both directions in each period
    duration quota_period{};
    bool operator==(const egress_limits&) const = default;
};

struct egress_policy {
    egress_profile profile = egress_profile::open;
    egress_mode mode = egress_mode::enforce;
    bool tls_names = false;               ///< tls = "sni": the name in a ClientHello must be pinned, too
    std::vector<std::uint16_t> dns_types; ///< that may be asked beside A and AAAA
    egress_limits limits;
    std::vector<egress_rule_text> rules; ///< by number
    address_rules denied, allowed;
    std::vector<egress_name_rule> names;

    /// Only with names: where each query to port 53 goes, by ip_family, and what its answers have pinned.
    std::array<endpoint, 2> name_service{};
    std::shared_ptr<const pin_table> pins;

    [[nodiscard]] bool has_names() const noexcept { return !names.empty(); }
    [[nodiscard]] const endpoint& name_service_of(ip_family family) const noexcept
    {
        return name_service[static_cast<std::size_t>(family)];
    }
    /// Whether a new flow of the guest's to `remote` is one of queries that our name service must see.
    [[nodiscard]] bool takes_query(octet protocol, const endpoint& remote) const noexcept;
};

/// Who decided.
enum class egress_ground : std::uint8_t {
    nobody,       ///< there is no policy
    rule,         ///< by address
    name,         ///< a rule for a name to which the address is pinned
    profile,      ///< no rule speaks of it
    resolver,     ///< our own name service, which is always allowed
    around_names, ///< TCP or UDP to port 853 while a rule has a name, as nobody could see what is asked there
    around_tls,   ///< UDP to port 443 with tls = "sni", as QUIC hides the server name
    server_name,  ///< with tls = "sni": the guest has begun with something else than the name of that server
    count_
};
inline constexpr std::size_t egress_grounds = static_cast<std::size_t>(egress_ground::count_);

/// Pins are valid whenever they were not taken back: for flows that were opened while they were.
inline constexpr instant any_time{duration{1}};

struct egress_verdict {
    egress_action says = egress_action::allow;
    bool passes = true; ///< in the mode `audit` whatever is said
    egress_ground ground = egress_ground::nobody;
    std::uint16_t rule = 0; ///< if it was a rule: its number
    std::uint32_t name = 0; ///< if it was a name: its number
};

/// A new flow of the guest's to `to`, translated: `port` is 0 for echo. `to` is no query to our name service.
[[nodiscard]] egress_verdict judge(const egress_policy& policy, const host_places& host, octet protocol, const endpoint& to,
                                   instant now) noexcept;

/// Whether the guest has to say a server name first, in the clear, on a new flow to `to` that was judged so.
[[nodiscard]] bool needs_server_name(const egress_policy& policy, octet protocol, const endpoint& to,
                                     const egress_verdict& verdict) noexcept;
/// Whether a rule leads to that server by that name, in lower case and without a dot at the end.
[[nodiscard]] bool is_pinned(const egress_policy& policy, octet protocol, const endpoint& to, std::string_view name) noexcept;

/// Whether a name may be asked for, in lower case and without a dot at the end: a rule allows it, or the profile allows something
/// and no rule denies it. `rule`: the number of the rule that decided.
struct name_verdict {
    bool may_ask = false;
    std::optional<std::uint16_t> rule;
};
[[nodiscard]] name_verdict judge_name(const egress_policy& policy, std::string_view name) noexcept;

} // namespace tapioca
