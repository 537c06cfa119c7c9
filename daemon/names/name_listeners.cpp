#include "daemon/names/name_listeners.hpp"

#include "daemon/os/listen.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/os/start_failure.hpp"

namespace tapioca {
namespace {

constexpr int room_for_bursts = 1 << 20;
constexpr unsigned most_ports = 16; ///< that are tried until one is free for both protocols

os::result<name_listener> open_at(const ip_address& loopback)
{
    os::result<name_listener> last = boost::system::error_code{EADDRINUSE, boost::system::system_category()};
    for (unsigned i = 0; i < most_ports; ++i) {
        auto udp = os::udp_socket(loopback.family());
        if (!udp)
            return udp.error();
        if (const auto bound = os::bind(udp->get(), {loopback, 0}); !bound)
            return bound.error();
        (void)os::set_receive_buffer(udp->get(), room_for_bursts);
        const auto at = os::local_endpoint(udp->get());
        if (!at)
            return at.error();
        auto tcp = os::listen_tcp(
            {.stack = loopback.is_v4() ? listen_stack::ipv4 : listen_stack::ipv6, .address = loopback, .port = at->port});
        if (tcp)
            return name_listener{std::move(*udp), std::move(*tcp), *at};
        last = tcp.error();
    }
    return last;
}

} // namespace

std::vector<name_listener> open_name_listeners()
{
    std::vector<name_listener> all;
    int error = 0;
    for (const auto family : {ip_family::ipv4, ip_family::ipv6})
        if (auto opened = open_at(ip_address::loopback(family)))
            all.push_back(std::move(*opened));
        else
            error = opened.error().value();
    if (all.empty())
        throw os::start_failure("Couldn't listen for queries of names on the host's loopback", error, "");
    return all;
}

} // namespace tapioca
