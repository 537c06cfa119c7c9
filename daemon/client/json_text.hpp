// What is in an instance's replies, where something is missing as well.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// Texts as they are, numbers in digits, lists with commas; empty where there is none.
[[nodiscard]] std::string text_of(const boost::json::value* value);
[[nodiscard]] inline std::string text_in(const boost::json::object& from, std::string_view name)
{
    return text_of(from.if_contains(name));
}
/// ADDRESS:PORT, or [ADDRESS]:PORT.
[[nodiscard]] std::string endpoint_in(const boost::json::object& from, std::string_view name);
/// 0 where there is none.
[[nodiscard]] std::uint64_t number_in(const boost::json::object& from, std::string_view name);
/// Null where there is none.
[[nodiscard]] const boost::json::object* object_in(const boost::json::object& from, std::string_view name);
/// The objects of a list.
[[nodiscard]] std::vector<const boost::json::object*> objects_in(const boost::json::object& from, std::string_view name);
/// In a reply of GetCounters: of "counters", "ignored", "drops" or "ends", of all workers.
[[nodiscard]] std::map<std::string, std::uint64_t> counts_in(const boost::json::object& reply, std::string_view which);

} // namespace tapioca::client
