#include "daemon/client/tapioca_names.hpp"

#include "daemon/client/tapioca_command_words.hpp"
#include "daemon/client/tapioca_connection.hpp"

#include <algorithm>
#include <string_view>

namespace tapioca::client {
namespace {

constexpr std::string_view digits = "0123456789", of_a_socket = ".socket";

/// libvirt's sockets are called NUMBER-MACHINE-DEVICE.socket, the device net0 or the like. Empty for others.
std::string machine_in(std::string_view file)
{
    const auto number = file.find_first_not_of(digits);
    const auto device = file.rfind("-net");
    if (number == 0 || number == file.npos || file[number] != '-' || device == file.npos || device <= number + 1)
        return {};
    const auto index = file.substr(device + 4);
    if (index.empty() || index.find_first_not_of(digits) != index.npos)
        return {};
    return std::string{file.substr(number + 1, device - number - 1)};
}

void add(std::vector<std::string>& names, std::string_view name)
{
    if (!name.empty() && std::ranges::find(names, name) == names.end())
        names.emplace_back(name);
}

void add_path(std::vector<std::string>& names, const std::string& path)
{
    auto file = std::string_view{path}.substr(path.rfind('/') + 1);
    if (file.ends_with(of_a_socket))
        file.remove_suffix(of_a_socket.size());
    add(names, machine_in(file));
    add(names, file);
    add(names, path);
}

} // namespace

std::vector<std::string> names_of(const boost::json::object& info, const std::vector<std::string>& words)
{
    std::vector<std::string> names;
    const auto* served = info.if_contains("namespace");
    if (served != nullptr && served->is_string() && served->get_string().starts_with('/'))
        add_path(names, boost::json::value_to<std::string>(*served));
    const auto* mode = info.if_contains("mode");
    if (mode == nullptr || *mode != "passt")
        return names;
    for (const char* option : {"socket", "socket-path"})
        if (const auto path = value_of_option(words, "s", option); !path.empty())
            add_path(names, path);
    return names;
}

std::vector<std::string> names_of(control_connection& server)
{
    const auto info = server.call("GetInfo");
    const auto* pid = info.if_contains("pid");
    return names_of(info, command_words(pid != nullptr && pid->is_int64() ? static_cast<pid_t>(pid->get_int64()) : 0));
}

} // namespace tapioca::client
