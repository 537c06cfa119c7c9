// Why the guest may connect somewhere, or may not: judged as workers judge, without anything being sent.
#pragma once

#include "daemon/control/egress_in_force.hpp"

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace tapioca {

/// What a client asks about.
struct destination_question {
    std::variant<ip_address, std::string> whom; ///< the latter a name, as rules have it
    std::uint16_t port = 0;                     ///< 0 for echo
    octet protocol = 0;
};
/// From the parameters of a call; or which of them makes no sense.
[[nodiscard]] std::variant<destination_question, std::string> parse_destination(const boost::json::object& parameters);

/// What a client is told. `now`: pins that are over count no more.
[[nodiscard]] boost::json::object explain(const egress_in_force& policies, const destination_question& asked, instant now);

/// What is told of a rule; nothing of one that there is not.
[[nodiscard]] std::optional<boost::json::object> rule_json(const egress_policy& policy, std::size_t number);

} // namespace tapioca
