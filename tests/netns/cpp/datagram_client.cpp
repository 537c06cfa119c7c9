#include "tests/netns/cpp/datagram_client.hpp"

#include "proto/frame/emit.hpp"
#include "tests/netns/cpp/simulated_host.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>

namespace tapioca::test {

namespace {

constexpr std::uint16_t port_of_peer = 7;
constexpr mac_address mac_of_peer{{0x02, 0, 0, 0, 0, 0x01}}, mac_of_guest{{0x02, 0, 0, 0, 0, 0x02}};
constexpr int patience = 500; // ms

void require(bool holds, const char* what)
{
    if (!holds)
        throw std::system_error(errno, std::generic_category(), what);
}

/// The payload of an IPv4 UDP frame without options to the peer; empty for every other frame.
bytes_view payload_of(bytes_view frame)
{
    constexpr std::size_t headers = 14 + 20 + 8;
    const bool ours = frame.size() > headers && frame[12] == 8 && frame[13] == 0 && frame[14] == 0x45 && frame[23] == 17 &&
                      frame[36] == 0 && frame[37] == port_of_peer;
    return ours ? frame.subspan(headers) : bytes_view{};
}

} // namespace

void configure_guest(const std::string& device, unsigned mtu)
{
    shell("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    shell("ip link set " + device + " address 02:00:00:00:00:02 mtu " + std::to_string(mtu) + " up");
    shell("ip addr add 192.0.2.2/24 dev " + device);
    shell("ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev " + device + " nud permanent");
}

datagram_client::datagram_client() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
{
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port_of_peer);
    peer.sin_addr.s_addr = htonl(0xc0000201);
    require(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) == 0, "connect");
}

void datagram_client::send(const datagram& payload) const
{
    require(::send(fd_.get(), payload.data(), payload.size(), 0) == static_cast<ssize_t>(payload.size()), "send");
}

datagram datagram_client::receive() const
{
    pollfd waiting{fd_.get(), POLLIN, 0};
    datagram got(1 << 16);
    const auto n = ::poll(&waiting, 1, patience) == 1 ? ::recv(fd_.get(), got.data(), got.size(), MSG_DONTWAIT) : 0;
    got.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return got;
}

std::uint16_t datagram_client::port() const
{
    sockaddr_in own{};
    socklen_t length = sizeof own;
    require(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&own), &length) == 0, "getsockname");
    return ntohs(own.sin_port);
}

seen_datagram next_datagram(const std::vector<tap_queue*>& queues)
{
    std::vector<pollfd> waiting;
    for (const auto* queue : queues)
        waiting.push_back({queue->descriptor(), POLLIN, 0});
    while (::poll(waiting.data(), waiting.size(), patience) > 0)
        for (std::size_t i = 0; i < queues.size(); ++i)
            if ((waiting[i].revents & POLLIN) != 0)
                for (const auto& frame : queues[i]->receive(1))
                    if (const auto payload = payload_of(frame.octets); !payload.empty())
                        return {frame.vnet, {payload.begin(), payload.end()}, i};
    return {};
}

bool answer(tap_queue& queue, const datagram_client& to, const datagram& payload, std::uint16_t segment,
            const std::function<void(wire::virtio_net_header&)>& change)
{
    const auto slot = queue.acquire();
    std::copy(payload.begin(), payload.end(), slot.begin());
    const flow_key key{ip_address::v4(192, 0, 2, 2), ip_address::v4(192, 0, 2, 1), to.port(), port_of_peer, 17};
    wire::virtio_net_header vnet;
    const auto headers = emit_udp(slot.data(), {mac_of_peer, mac_of_guest}, key,
                                  {.payload = static_cast<std::uint32_t>(payload.size()), .segment = segment}, vnet);
    if (change)
        change(vnet);
    return queue.commit(vnet, headers, payload.size());
}

datagram some_octets(std::size_t size)
{
    datagram octets(size);
    for (std::size_t i = 0; i < size; ++i)
        octets[i] = static_cast<octet>(i * 7 + i / 256);
    return octets;
}

} // namespace tapioca::test
