// Messages of varlink (https://varlink.org): one JSON object each, with a NUL octet behind it.
#pragma once

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace tapioca::varlink {

inline constexpr std::size_t longest_call = 64 * 1024;

struct call {
    std::string method;
    boost::json::object parameters;
    bool more = false, oneway = false;
};

/// `message`: without the NUL. Nothing: it is no call, or a larger one than anybody needs. From one thread only.
[[nodiscard]] std::optional<call> parse_call(std::string_view message);

enum class continues : bool { no, yes };
/// Appends a reply, with its NUL.
void put_reply(std::string& out, const boost::json::object& parameters, continues more = continues::no);
/// Likewise; `parameters` is the text of an object.
void put_reply_text(std::string& out, std::string_view parameters, continues more);
void put_error(std::string& out, std::string_view name, const boost::json::object& parameters = {});

} // namespace tapioca::varlink
