// Egress policies and what is found in them as JSON, for whoever asks an instance or a file.
#pragma once

#include "daemon/policy/policy_finding.hpp"
#include "proto/policy/egress_policy.hpp"

#include <boost/json.hpp>

namespace tapioca {

/// {"profile": "deny-all", "mode": "enforce", "tls": "sni", "dns_types": ["TXT"], "limit": {"rate": "50mbit", ...}, "rules":
/// [...]} in the words of the language; what is not set is left out. A rule: {"number": 0, "action": "allow", "text":
/// "github.com:22", "file": "web.toml", "line": 3}, and "private": true where it is.
[[nodiscard]] boost::json::object to_json(const egress_policy& policy);

/// {"severity": "error", "file": ..., "line": ..., "key": ..., "value": ..., "what": ..., "cure": ...}.
[[nodiscard]] boost::json::object to_json(const policy_finding& finding);

} // namespace tapioca
