// Finds a passt that answers, and connects to it.
#pragma once

namespace tapioca::qrap {

/// A start that cannot go on: "what: meaning of the error number" is for the user.
struct start_error {
    const char* what;
    int number;
};

/// Connects to the first of /tmp/passt_1.socket to /tmp/passt_99.socket that answers the probe, or to `path` alone if that is
/// not null. The socket is blocking, and closed by an exec. Says on standard error what it meets.
[[nodiscard]] int connect_to_passt(const char* path);

} // namespace tapioca::qrap
