// An egress policy as its file has it: what each rule says and where it stands, before it is known whether all of it makes sense
// together.
#pragma once

#include "daemon/policy/egress_target.hpp"
#include "daemon/policy/policy_finding.hpp"
#include "proto/policy/egress_policy.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace tapioca {

struct written_rule {
    egress_action action = egress_action::deny;
    policy_place place;
    std::string text; ///< as it is written
    egress_target target;
};

struct written_policy {
    std::optional<egress_profile> profile;
    std::optional<egress_mode> mode;
    std::optional<policy_place> tls_names;      ///< where tls = "sni" stands
    std::vector<std::uint16_t> dns_types;       ///< in ascending order
    std::optional<policy_place> dns_types_from; ///< where they stand
    egress_limits limits;
    std::vector<written_rule> rules;
};

/// Reads a file's text, TOML 1.0. `file` is its name for findings. What is wrong is left out and told, all of it: what is
/// returned is of use only if there are no errors.
[[nodiscard]] written_policy read_policy(std::string_view text, const std::string& file, policy_findings& findings,
                                         name_libraries use = name_libraries::may_load);

/// A profile alone, as `--egress no-lan` has it.
[[nodiscard]] written_policy bare_profile(egress_profile profile);

/// Several as one, as several `--egress` mean it: all their rules; the profile that denies most, and `enforce` if one of them
/// enforces; the names in TLS if one of them wants them; of each limit the lowest, of quotas that of the lowest rate; every type
/// of record that one of them lets through.
[[nodiscard]] written_policy joined(std::vector<written_policy> policies);

} // namespace tapioca
