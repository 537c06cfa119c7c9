// tapioca ps: which instances there are.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_command_words.hpp"
#include "daemon/client/tapioca_names.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

namespace tapioca::client {

int run_ps(const tapioca_command& command)
{
    const auto ask = [](control_connection& server) {
        auto info = server.call("GetInfo");
        const auto* pid = info.if_contains("pid");
        const auto names =
            names_of(info, command_words(pid != nullptr && pid->is_int64() ? static_cast<pid_t>(pid->get_int64()) : 0));
        info["names"] = boost::json::array(names.begin(), names.end());
        return std::vector{std::move(info)};
    };
    return show(command, ask, show_instances);
}

} // namespace tapioca::client
