// What the sub-commands have in common: which instances are meant, asking each of them for itself, and printing what they say.
// One that does not answer is named, and the others are shown.
#pragma once

#include "daemon/client/tapioca_command.hpp"
#include "daemon/client/tapioca_connection.hpp"
#include "daemon/client/tapioca_output.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tapioca::client {

/// What is asked of one instance: the parameters of the replies.
using question = std::function<std::vector<boost::json::object>(control_connection&)>;
/// What people are shown of the replies, on a terminal of that width.
using shown_text = std::function<std::string(const std::vector<said>&, std::size_t width)>;

struct answers {
    std::vector<said> all;
    bool whole = true; ///< every instance has answered, or has ended meanwhile
};

/// Throws control_failure if the command names one that there is not.
[[nodiscard]] std::vector<instance> wanted_instances(const tapioca_command& command);

/// By the socket that was named, or that the only instance has; or else by one that says why nothing can be changed.
[[nodiscard]] control_connection connect_to_change(const tapioca_command& command);
/// Of the instance behind it, in digits.
[[nodiscard]] std::string pid_of(control_connection& server);

/// Complains of those that do not answer. Throws control_failure if the one that was named does not.
[[nodiscard]] answers ask_instances(const tapioca_command& command, const question& ask,
                                    std::chrono::seconds patience = usual_patience);

/// Asks, and prints the replies, a line each, or what `text` makes of them. The exit status.
int show(const tapioca_command& command, const question& ask, const shown_text& text);

/// The replies as JSON, a line each, with the process id.
[[nodiscard]] std::string json_lines(const std::vector<said>& all);

/// On standard output. Throws control_failure.
void print(const std::string& text);
/// On standard error, behind the program's name.
void complain(const std::string& text);

} // namespace tapioca::client
