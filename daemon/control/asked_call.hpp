// A call of a varlink client, as the methods get it.
#pragma once

#include "daemon/control/control_methods.hpp"
#include "daemon/control/varlink_message.hpp"

namespace tapioca {

/// What a method needs.
struct asked {
    const control_methods::parts& of;
    const varlink::call& call;
    client_may what;
    std::string& out;
    capture_list& captures;
    os::unique_fd& passed;
    bool& hands_over;
};
using running = std::unique_ptr<running_call>;

inline constexpr const char* wrong_parameter = "org.varlink.service.InvalidParameter";

/// False, with an answer, if the client may only see.
[[nodiscard]] inline bool may_change(const asked& a)
{
    if (a.what != client_may::change)
        varlink::put_error(a.out, "io.github.tapioca.Control.PermissionDenied",
                           {{"why", "this socket is for seeing; start with --control PATH and use the socket at PATH"}});
    return a.what == client_may::change;
}

inline running refuse_parameter(const asked& a, std::string_view name)
{
    varlink::put_error(a.out, wrong_parameter, {{"parameter", name}});
    return {};
}

} // namespace tapioca
