// Which instances of passt and pasta there are in this network namespace: the kernel lists their abstract sockets.
#pragma once

#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tapioca::client {

struct instance {
    uid_t user = 0; ///< as the host numbers them
    pid_t pid = 0;

    auto operator<=>(const instance&) const = default;
};

/// Those in a table like /proc/net/unix, by user and process id.
[[nodiscard]] std::vector<instance> instances_in(std::string_view table);
/// Those that would listen to us.
[[nodiscard]] std::vector<instance> find_instances();

} // namespace tapioca::client
