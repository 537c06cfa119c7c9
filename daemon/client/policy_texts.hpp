// What instances say of egress policies, for people.
#pragma once

#include <boost/json.hpp>

#include <string>

namespace tapioca::client {

/// The findings in a reply, a line each; empty if there are none.
[[nodiscard]] std::string text_of_findings(const boost::json::object& reply);
/// A reply of GetPolicy: a line for each setting, and a table of the rules.
[[nodiscard]] std::string text_of_policy(const boost::json::object& reply, std::size_t width);
/// A reply of WhyDestination, a line for each address. `service`: "tcp port 443".
[[nodiscard]] std::string text_of_reasons(const boost::json::object& reply, const std::string& service);

} // namespace tapioca::client
