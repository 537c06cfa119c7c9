// Why a start failed, as one line for the user: what was tried, in words that callers know and match, the error, and what may be
// done about it.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

namespace tapioca::os {

/// "`what`: the text of the error; `hint`". Where no descriptor was left, the hint is about that.
[[nodiscard]] std::runtime_error start_failure(const std::string& what, int error, const std::string& hint);

/// Whatever ended the start.
[[nodiscard]] std::string text_of(const std::exception& failure);

/// "user 65534": the effective one, as the machine sees it and not our user namespace.
[[nodiscard]] std::string name_of_user();

/// The same, with the way to be another one if that is the user whom root becomes by default.
[[nodiscard]] std::string name_of_user_and_remedy();

} // namespace tapioca::os
