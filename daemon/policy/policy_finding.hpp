// What a reader of egress policies has to say of one: where it stands, what is wrong, and what would be right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

enum class policy_severity : std::uint8_t {
    warning, ///< it means something, though hardly what was wanted
    error
};

/// Where something stands. An option has neither line nor key.
struct policy_place {
    std::string file;
    unsigned line = 0;
    std::string key; ///< "allow", "limit.rate"
};

struct policy_finding {
    policy_severity severity = policy_severity::error;
    policy_place place;
    std::string value; ///< as it is written; empty: the key itself is meant
    std::string what;  ///< "port 70000 does not exist"
    std::string cure;  ///< "ports are 1 to 65535"
};

/// One line: FILE:LINE: KEY: "VALUE": WHAT; CURE. What no terminal should be sent is escaped.
[[nodiscard]] std::string to_text(const policy_finding& finding);

class policy_findings {
public:
    /// Beyond the bound they are only counted, by a last one that says so.
    static constexpr std::size_t most = 100;

    void error(policy_place place, std::string_view value, std::string what, std::string cure);
    void warning(policy_place place, std::string_view value, std::string what, std::string cure);

    [[nodiscard]] const std::vector<policy_finding>& all() const noexcept { return all_; }
    [[nodiscard]] bool has_errors() const noexcept { return errors_; }

private:
    void add(policy_finding finding);

    std::vector<policy_finding> all_;
    bool errors_ = false;
};

} // namespace tapioca
