// Filters of flows as people know them from ss(8):
//
//     dport = :443 and dst 10.0.0.0/8
//     not (proto udp or state established)
//
//     expression := term { "or" term }        term := factor { ["and"] factor }
//     factor     := "not" factor | "(" expression ")" | what [operator] value
//     what       := "sport" | "dport" | "src" | "dst" | "state" | "proto" | "kind" | "way" | "from" | "rule"
//     operator   := "=" | "!=" | "<" | ">" | "<=" | ">="     (only the first two where there is no order)
//
// `src` and `sport` are the guest's end, `dst` and `dport` the other one, as the guest sees them, whoever began the flow. "==",
// "eq", "ne", "neq", "lt", "gt", "le", "ge", "!", "&", "&&", "|" and "||" are understood, too.
#pragma once

#include "proto/base/address.hpp"

#include <boost/json.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// What a flow is asked about.
struct flow_facts {
    std::string protocol, way, origin, state;
    endpoint guest, remote;
    std::optional<std::uint16_t> rule;
};
/// Of a flow in a reply of ListFlows; nothing if it lacks what every flow has.
[[nodiscard]] std::optional<flow_facts> facts_of(const boost::json::object& flow);

/// Why a text is no expression, and what of it.
struct expression_error : std::runtime_error {
    using runtime_error::runtime_error;
};

class flow_expression {
public:
    static constexpr std::size_t longest = 4096;

    /// Of no words: every flow fits. Throws expression_error.
    [[nodiscard]] static flow_expression parse(std::string_view text);

    [[nodiscard]] bool is_empty() const noexcept { return nodes_.empty(); }
    [[nodiscard]] bool fits(const flow_facts& f) const { return nodes_.empty() || fits(f, root_); }
    /// The filter of ListFlows that leaves out most of what does not fit; what it shows is still to be asked.
    [[nodiscard]] boost::json::object filter() const;

private:
    friend class expression_parser;
    enum class subject : std::uint8_t { guest_port, remote_port, guest, remote, state, protocol, kind, way, origin, rule };
    enum class comparison : std::uint8_t { equal, different, less, more, at_most, at_least };
    enum class sort : std::uint8_t { compare, both, either, no };
    struct node {
        sort what = sort::compare;
        std::size_t left = 0, right = 0; ///< of both and either; `left` of no
        subject about = subject::guest_port;
        comparison by = comparison::equal;
        std::optional<prefix> address{};
        std::optional<std::uint16_t> number{}; ///< a port, or a rule
        std::string word{};
    };

    [[nodiscard]] bool fits(const flow_facts& f, std::size_t at) const;
    [[nodiscard]] static bool holds(const flow_facts& f, const node& n);
    void add_to(boost::json::object& filter, std::size_t at) const;

    std::vector<node> nodes_;
    std::size_t root_ = 0;
};

} // namespace tapioca::client
