// The host's resolvers and search list. Read first: resolv.conf(5).
#pragma once

#include "daemon/os/error.hpp"
#include "proto/base/address.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

struct resolv_conf {
    std::vector<ip_address> resolvers; ///< in the file's order, without zone identifiers
    std::vector<std::string> search;   ///< of the first `search` line
};

/// Takes the lines that start with `nameserver` or `search` and a blank; skips whatever else it finds.
[[nodiscard]] resolv_conf parse_resolv_conf(std::string_view text);

/// The file's content, parsed.
[[nodiscard]] os::result<resolv_conf> read_resolv_conf(const char* path = "/etc/resolv.conf");

} // namespace tapioca
