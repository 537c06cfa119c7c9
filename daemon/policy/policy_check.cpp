#include "daemon/policy/policy_check.hpp"

#include "daemon/policy/domain_name.hpp"
#include "daemon/policy/policy_words.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t most_compared = 5000; ///< rules with each other: beyond it the start would take seconds
constexpr std::uint16_t dns = 53, dns_over_tls = 853, https = 443;

bool is_name(const egress_target& target) { return std::holds_alternative<name_pattern>(target.host); }

/// "github.com:22" (a.toml:3).
std::string named(const written_rule& rule)
{
    return '"' + rule.text + "\" (" + rule.place.file + ':' + std::to_string(rule.place.line) + ')';
}

class policy_checker {
public:
    policy_checker(const written_policy& policy, policy_findings& findings, name_libraries use)
        : policy_(policy), findings_(findings), profile_(policy.profile.value_or(egress_profile::open)), use_(use),
          has_names_(std::ranges::any_of(policy.rules, [](const written_rule& r) { return is_name(r.target); }))
    {
    }

    void check()
    {
        for (const auto& rule : policy_.rules)
            if (makes_sense(rule) && reaches_us(rule))
                check_use(rule);
        const bool allows_names = std::ranges::any_of(
            policy_.rules, [](const written_rule& r) { return r.action == egress_action::allow && is_name(r.target); });
        if (policy_.tls_names && !allows_names)
            findings_.error(*policy_.tls_names, "sni", "no rule allows a name that it could compare with",
                            "allow names, or leave it out");
        if (policy_.dns_types_from && !has_names_)
            findings_.warning(*policy_.dns_types_from, {},
                              "no rule has a name, so that queries of all types pass to allowed resolvers", "leave it out");
        if (policy_.rules.size() <= most_compared)
            compare_rules();
        else
            findings_.warning({policy_.rules.front().place.file, 0, {}}, {},
                              "there are too many rules to find those that others make superfluous", "5000 are compared");
    }

private:
    void error(const written_rule& rule, std::string what, std::string cure) const
    {
        findings_.error(rule.place, rule.text, std::move(what), std::move(cure));
    }
    void warning(const written_rule& rule, std::string what, std::string cure) const
    {
        findings_.warning(rule.place, rule.text, std::move(what), std::move(cure));
    }
    /// What an allowed destination needs, and a denied one could do without.
    void never(const written_rule& rule, std::string what, std::string cure) const
    {
        if (rule.action == egress_action::allow)
            error(rule, std::move(what), std::move(cure));
        else
            warning(rule, std::move(what), std::move(cure));
    }

    /// By itself.
    [[nodiscard]] bool makes_sense(const written_rule& rule) const
    {
        const auto& t = rule.target;
        const bool denies = rule.action == egress_action::deny;
        if (t.protocol == egress_protocol::echo && !t.ports.empty())
            error(rule, "it never matches: echo has no ports", "leave out the port, or echo");
        else if (t.private_addresses && !is_name(t))
            error(rule, "private is for names, and this is an address", "leave it out: the address may be private by itself");
        else if (t.private_addresses && denies)
            error(rule, "private is for names that are allowed", "leave it out");
        else if (denies && is_name(t) && (!t.ports.empty() || t.protocol != egress_protocol::any))
            error(rule, "a denied name is not asked for, whatever the port", "leave out port and protocol, or deny addresses");
        else
            return true;
        return false;
    }

    [[nodiscard]] bool only_to(const egress_target& t, std::uint16_t port) const
    {
        return t.ports.size() == 1 && t.ports[0] == egress_ports{port, port};
    }

    /// False if what it speaks of is decided before rules are asked.
    [[nodiscard]] bool reaches_us(const written_rule& rule) const
    {
        const auto& t = rule.target;
        if (has_names_ && only_to(t, dns))
            never(rule, "it never matches: while a rule has a name, port 53 leads to our own resolver", "leave it out");
        else if (has_names_ && only_to(t, dns_over_tls))
            never(rule, "it never matches: while a rule has a name, port 853 is refused, as nobody sees what is asked there",
                  "leave it out");
        else if (policy_.tls_names && only_to(t, https) && t.protocol == egress_protocol::udp)
            never(rule, "it never matches: with tls = \"sni\", port 443 of UDP is refused", "leave out the rule or tls");
        else
            return true;
        return false;
    }

    void check_use(const written_rule& rule)
    {
        if (rule.action == egress_action::deny)
            return;
        const auto* name = std::get_if<name_pattern>(&rule.target.host);
        const auto deny_all = "write profile = \"deny-all\" if nothing else may be reached, else leave the rule out";
        if (!may_be_denied(rule.target))
            error(rule, "it changes nothing: the profile is " + std::string{word_of(profile_)} + ", which lets that pass",
                  deny_all);
        else if (name != nullptr && name->below && use_ == name_libraries::may_load && suffixes_.has(name->name))
            warning(rule, "anybody may have a name below " + name->name, "name the hosts that are needed");
    }

    /// Whether the profile could deny any of it.
    [[nodiscard]] bool may_be_denied(const egress_target& target) const
    {
        if (profile_ == egress_profile::open || profile_ == egress_profile::deny_all)
            return profile_ == egress_profile::deny_all;
        if (is_name(target))
            return target.private_addresses; // other addresses of names are public
        const auto* network = std::get_if<prefix>(&target.host);
        const bool single = network != nullptr && network->length == (network->address.is_v4() ? 32 : 128);
        return profile_ != egress_profile::no_metadata || !single ||
               classes_of(host_places{}, network->address).has(address_class::metadata);
    }

    /// Whether the profile denies all of it, as far as is known without the host.
    [[nodiscard]] bool denied_by_profile(const egress_target& target) const
    {
        if (profile_ == egress_profile::deny_all)
            return true;
        const auto covered = [&](address_class c) {
            egress_target all;
            all.host = c;
            return covers(all, target);
        };
        return !is_name(target) && ((profile_ >= egress_profile::no_metadata && covered(address_class::metadata)) ||
                                    (profile_ >= egress_profile::no_lan && covered(address_class::lan)) ||
                                    (profile_ >= egress_profile::internet_only && covered(address_class::host)));
    }

    void compare_rules() const
    {
        for (const auto& rule : policy_.rules) {
            if (rule.action == egress_action::allow)
                if (const auto* other = covering(rule, egress_action::deny)) {
                    error(rule, "it never matches: " + named(*other) + " denies all of it, and deny beats allow",
                          "leave out one of them");
                    continue;
                }
            if (const auto* other = covering(rule, rule.action))
                warning(rule, "it changes nothing: " + named(*other) + " says the same of all of it", "leave it out");
            else if (rule.action == egress_action::deny && denied_by_profile(rule.target) && !meets_allowed(rule))
                warning(rule,
                        "it changes nothing: the profile " + std::string{word_of(profile_)} +
                            " denies it, and no rule allows any of it",
                        "leave it out");
        }
    }

    /// Another rule that speaks of all that this one does; of two that are the same, the first.
    [[nodiscard]] const written_rule* covering(const written_rule& rule, egress_action action) const
    {
        const auto does = [&](const written_rule& other) {
            return &other != &rule && other.action == action && covers(other.target, rule.target) &&
                   (action == egress_action::deny || other.target.private_addresses >= rule.target.private_addresses) &&
                   (&other < &rule || other.action != rule.action || !covers(rule.target, other.target) ||
                    rule.target.private_addresses != other.target.private_addresses);
        };
        const auto found = std::ranges::find_if(policy_.rules, does);
        return found == policy_.rules.end() ? nullptr : &*found;
    }

    /// A denied name is one that is not asked, so that addresses have no part in it.
    [[nodiscard]] bool meets_allowed(const written_rule& denying) const
    {
        return std::ranges::any_of(policy_.rules, [&](const written_rule& r) {
            return r.action == egress_action::allow && (is_name(r.target) || !is_name(denying.target)) &&
                   may_meet(r.target, denying.target);
        });
    }

    const written_policy& policy_;
    policy_findings& findings_;
    egress_profile profile_;
    name_libraries use_;
    bool has_names_;
    public_suffixes suffixes_;
};

} // namespace

void check_policy(const written_policy& policy, policy_findings& findings, name_libraries use)
{
    policy_checker{policy, findings, use}.check();
}

} // namespace tapioca
