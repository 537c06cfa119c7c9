// The machine's accounts by their names.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

namespace tapioca::os {

struct account {
    uid_t uid;
    gid_t gid;
};

/// A login with its group. A static build reads /etc/passwd and /etc/group and nothing else: the name service would load shared
/// libraries.
[[nodiscard]] std::optional<account> find_login(const std::string& name);
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name);

} // namespace tapioca::os
