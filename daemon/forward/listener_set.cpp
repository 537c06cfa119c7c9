#include "daemon/forward/listener_set.hpp"

#include "daemon/os/listen.hpp"
#include "proto/wire/protocol.hpp"

#include <stdexcept>
#include <string>

namespace tapioca {
namespace {

void open_range(const options& opts, octet protocol, const port_range& range, std::vector<listening_socket>& sockets)
{
    const bool tcp = protocol == wire::protocol_tcp;
    const auto stack = opts.ipv4 && opts.ipv6 ? os::stack::dual : opts.ipv4 ? os::stack::ipv4 : os::stack::ipv6;
    for (unsigned port = range.first; port <= range.last; ++port) {
        const auto number = static_cast<std::uint16_t>(port);
        auto fd = tcp ? os::listen_tcp(stack, number) : os::listen_udp(stack, number);
        if (!fd)
            throw std::runtime_error("Listen failed for HOST " + std::string{tcp ? "TCP" : "UDP"} + " port */" +
                                     std::to_string(port) + ": " + fd.error().message());
        sockets.push_back({std::move(*fd), number, protocol});
    }
}

} // namespace

std::vector<listening_socket> open_listeners(const options& opts)
{
    std::vector<listening_socket> sockets;
    if (opts.tcp)
        for (const auto& range : opts.tcp_ports)
            open_range(opts, wire::protocol_tcp, range, sockets);
    if (opts.udp)
        for (const auto& range : opts.udp_ports)
            open_range(opts, wire::protocol_udp, range, sockets);
    return sockets;
}

} // namespace tapioca
