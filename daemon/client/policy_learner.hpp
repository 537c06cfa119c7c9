// What an egress policy would have to allow for what an audit log says was contacted.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

namespace tapioca::client {

class policy_learner {
public:
    /// A line of the log; what is none is counted, and told in the policy.
    void take(std::string_view line);
    /// A policy in TOML that denies everything but that: names where they are known, else addresses. Comments say how often each
    /// was contacted, and which names and addresses were refused. The same for the same lines, in whatever order.
    [[nodiscard]] std::string policy() const;

private:
    /// Names stand before addresses, IPv4 before IPv6.
    struct place {
        bool is_name = false;
        std::string host; ///< a name, or an address as text
        std::string protocol;
        [[nodiscard]] auto order() const { return std::tuple{!is_name, host.find(':') != host.npos, host, protocol}; }
        bool operator<(const place& other) const { return order() < other.order(); }
    };
    struct contacts {
        std::set<std::uint16_t> ports;
        bool is_private = false; ///< of a name: one of its addresses was
        std::uint64_t flows = 0, octets = 0;
    };
    using contact_list = std::map<place, contacts>;

    void take_line(const boost::json::object& line);
    [[nodiscard]] static contacts& contacts_in(contact_list& list, const boost::json::object& line);
    [[nodiscard]] static std::string rule_text(const place& where, const contacts& what);

    contact_list passed_, refused_;
    std::uint64_t unreadable_ = 0, lost_ = 0;
};

} // namespace tapioca::client
