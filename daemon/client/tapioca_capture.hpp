// tapioca capture: what passes between a guest and its instance, into files or as lines. The instance opens no file: it is given
// one end of a socket, and what comes out of the other is written here.
#pragma once

#include "daemon/client/tapioca_connection.hpp"
#include "proto/capture/bpf.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace tapioca::client {

struct capture_wishes {
    std::vector<bpf::instruction> filter; ///< empty: every frame
    std::uint32_t snapshot = 0;
    bool drops_only = false;
    std::string direction; ///< "in", "out", or empty
};

/// What the instance has said at the end, or nothing if it has ended itself.
struct capture_end {
    std::uint64_t chosen = 0, lost = 0;
    bool told = false;
};

/// Captures until a signal ends it (SIGINT, SIGTERM, SIGHUP), the instance does, or `take` has enough. It is given messages of
/// whole blocks of pcapng, of which the first is the beginning of a file, and says whether it wants more. `begun` is called when
/// frames are captured.
capture_end capture(control_connection& server, const capture_wishes& wishes, const std::function<bool(bytes_view message)>& take,
                    const std::function<void()>& begun);

/// The control socket of one instance, or of the only one that there is, by which it may be changed. Throws control_failure.
[[nodiscard]] std::string changing_path(std::optional<pid_t> of);

/// `argv` begins with the word `capture`. The exit status.
int run_capture(std::span<const char* const> argv);

} // namespace tapioca::client
