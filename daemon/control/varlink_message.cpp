#include "daemon/control/varlink_message.hpp"

#include <array>
#include <new>

namespace tapioca::varlink {

namespace json = boost::json;

namespace {

constexpr std::size_t memory_for_a_call = 256 * 1024;
constexpr std::size_t deepest = 16;

bool flag(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

void put(std::string& out, const json::object& message)
{
    out += json::serialize(message);
    out += '\0';
}

} // namespace

std::optional<call> parse_call(std::string_view message)
try {
    if (message.size() > longest_call)
        return std::nullopt;
    static std::array<unsigned char, memory_for_a_call> memory; // set aside with the program, and not touched before it is used
    json::static_resource fixed{memory.data(), memory.size()};
    json::parse_options limits;
    limits.max_depth = deepest;
    boost::system::error_code error;
    const auto value = json::parse(message, error, &fixed, limits);
    const auto* object = error ? nullptr : value.if_object();
    const auto* method = object == nullptr ? nullptr : object->if_contains("method");
    if (method == nullptr || !method->is_string())
        return std::nullopt;
    call made{.method = json::value_to<std::string>(*method),
              .parameters = {},
              .more = flag(*object, "more"),
              .oneway = flag(*object, "oneway")};
    if (const auto* given = object->if_contains("parameters"); given != nullptr && given->is_object())
        made.parameters = json::object{given->get_object(), json::storage_ptr{}};
    return made;
} catch (const std::bad_alloc&) {
    return std::nullopt;
}

void put_reply(std::string& out, const json::object& parameters, continues more)
{
    json::object message{{"parameters", parameters}};
    if (more == continues::yes)
        message["continues"] = true;
    put(out, message);
}

void put_reply_text(std::string& out, std::string_view parameters, continues more)
{
    out.append("{\"parameters\":").append(parameters).append(more == continues::yes ? ",\"continues\":true}" : "}");
    out += '\0';
}

void put_error(std::string& out, std::string_view name, const json::object& parameters)
{
    put(out, {{"error", name}, {"parameters", parameters}});
}

} // namespace tapioca::varlink
