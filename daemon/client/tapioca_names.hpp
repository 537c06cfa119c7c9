// What an instance may be called other than by its process id: by the namespace that it serves or the socket that it has.
#pragma once

#include <boost/json.hpp>

#include <string>
#include <vector>

namespace tapioca::client {

class control_connection;

/// Of an instance that says `info` of itself (GetInfo) and was started with these words, the best one first: the machine's name
/// in a socket of libvirt's, the name of the file, its path. None for a pasta with a command or by process id.
[[nodiscard]] std::vector<std::string> names_of(const boost::json::object& info, const std::vector<std::string>& words);

/// Likewise of a running one. Throws control_failure if it does not answer.
[[nodiscard]] std::vector<std::string> names_of(control_connection& server);

} // namespace tapioca::client
