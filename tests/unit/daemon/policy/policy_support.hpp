// What tests of the language share: a text as a file, and what is found in it.
#pragma once

#include "daemon/policy/compile_policy.hpp"
#include "daemon/policy/policy_check.hpp"
#include "daemon/policy/written_policy.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

struct read_text {
    policy_findings findings;
    written_policy written;
    egress_policy policy;

    [[nodiscard]] std::vector<std::string> lines() const
    {
        std::vector<std::string> all;
        for (const auto& f : findings.all())
            all.push_back(to_text(f));
        return all;
    }
    /// The only finding there is, or how many there are.
    [[nodiscard]] std::string line() const
    {
        return findings.all().size() == 1 ? lines().front() : std::to_string(findings.all().size()) + " findings";
    }
};

/// As a file p.toml that is the whole policy.
inline read_text read(std::string_view text)
{
    read_text r;
    std::vector<written_policy> one;
    one.push_back(read_policy(text, "p.toml", r.findings));
    r.written = joined(std::move(one));
    if (!r.findings.has_errors())
        check_policy(r.written, r.findings);
    if (!r.findings.has_errors())
        r.policy = compile_policy(r.written, r.findings);
    return r;
}

inline bool passes(const egress_policy& policy, octet protocol, const endpoint& to)
{
    return judge(policy, {}, protocol, to, instant{}).passes;
}

} // namespace tapioca
