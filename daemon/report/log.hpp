// What the user and the administrator are told; only start-up and the control plane speak here, never a worker. Everything goes
// to standard error until start() says where it belongs. Nothing opens a file, a socket or the time zone after that.
#pragma once

#include "daemon/config/options.hpp"
#include "daemon/os/unique_fd.hpp"

#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>

namespace tapioca::log {

enum class severity : std::uint8_t {
    answer, ///< to somebody who has asked: no level hides it
    error,
    warning,
    info,
    debug,
    trace,
};

/// Where lines go: to the file alone if there is one; else to syslog, unless the user debugs; and to standard error, until
/// release_stderr().
struct destinations {
    std::string name; ///< of the program, as it was called
    log_level level = log_level::normal;
    os::unique_fd file;
    std::size_t file_cap = 0;
    os::unique_fd syslog; ///< a connected socket
};

void start(destinations where);

/// Another descriptor stands for the user's standard error; an empty one changes nothing.
void use_stderr(os::unique_fd fd);
/// The user is not to be bothered any more; closes what use_stderr() was given.
void release_stderr();

[[nodiscard]] bool enabled(severity what) noexcept;
void write(severity what, std::string_view text);

inline void answer(std::string_view text) { write(severity::answer, text); }
inline void error(std::string_view text) { write(severity::error, text); }
inline void warning(std::string_view text) { write(severity::warning, text); }
inline void info(std::string_view text) { write(severity::info, text); }
inline void debug(std::string_view text) { write(severity::debug, text); }
inline void trace(std::string_view text) { write(severity::trace, text); }

inline void warning(std::span<const std::string> lines)
{
    for (const auto& text : lines)
        warning(text);
}
inline void info(std::span<const std::string> lines)
{
    for (const auto& text : lines)
        info(text);
}

/// For what traffic can cause again and again: at most five lines a second from one place in the source.
void limited(severity what, std::string_view text, std::source_location where = std::source_location::current());

} // namespace tapioca::log
