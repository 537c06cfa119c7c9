#include "daemon/client/json_text.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

std::uint64_t number_of(const json::value& value)
{
    if (value.is_uint64())
        return value.get_uint64();
    return value.is_int64() && value.get_int64() > 0 ? static_cast<std::uint64_t>(value.get_int64()) : 0;
}

} // namespace

std::string text_of(const json::value* value)
{
    if (value == nullptr || value->is_null())
        return {};
    if (value->is_string())
        return json::value_to<std::string>(*value);
    if (!value->is_array())
        return json::serialize(*value);
    std::string list;
    for (const auto& each : value->get_array())
        list += (list.empty() ? "" : ",") + text_of(&each);
    return list;
}

std::string endpoint_in(const json::object& from, std::string_view name)
{
    const auto* endpoint = object_in(from, name);
    if (endpoint == nullptr)
        return {};
    const auto address = text_in(*endpoint, "address"), port = text_in(*endpoint, "port");
    return (address.find(':') == std::string::npos ? address : '[' + address + ']') + ':' + port;
}

std::uint64_t number_in(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value == nullptr ? 0 : number_of(*value);
}

const json::object* object_in(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value == nullptr ? nullptr : value->if_object();
}

std::vector<const json::object*> objects_in(const json::object& from, std::string_view name)
{
    std::vector<const json::object*> all;
    const auto* list = from.if_contains(name);
    if (list != nullptr && list->is_array())
        for (const auto& each : list->get_array())
            if (each.is_object())
                all.push_back(&each.get_object());
    return all;
}

std::map<std::string, std::uint64_t> counts_in(const json::object& reply, std::string_view which)
{
    std::map<std::string, std::uint64_t> counts;
    const auto* total = object_in(reply, "total");
    const auto* found = total == nullptr ? nullptr : object_in(*total, which);
    if (found != nullptr)
        for (const auto& [name, value] : *found)
            if (value.is_int64() || value.is_uint64())
                counts[std::string{name}] = number_of(value);
    return counts;
}

} // namespace tapioca::client
