// A UDP socket of the guest's kernel on one side of a tap, and its peer, played by the test, on the other.
#pragma once

#include "daemon/os/unique_fd.hpp"
#include "daemon/tap/tap_queue.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tapioca::test {

/// Gives `device` the address 192.0.2.2/24, a neighbour 192.0.2.1, an MTU, and silence in IPv6.
void configure_guest(const std::string& device, unsigned mtu);

using datagram = std::vector<octet>;

/// A socket that is connected to 192.0.2.1.
class datagram_client {
public:
    datagram_client();

    void send(const datagram& payload) const;
    /// Empty if nothing comes within half a second.
    [[nodiscard]] datagram receive() const;
    [[nodiscard]] int descriptor() const noexcept { return fd_.get(); }
    [[nodiscard]] std::uint16_t port() const;

private:
    os::unique_fd fd_;
};

/// What came out of the tap for 192.0.2.1.
struct seen_datagram {
    wire::virtio_net_header vnet;
    datagram payload;
    std::size_t queue = 0; ///< which one of those that were asked
};

/// The next UDP frame in any of the queues; empty payload if none comes within half a second.
[[nodiscard]] seen_datagram next_datagram(const std::vector<tap_queue*>& queues);

/// Sends a datagram from 192.0.2.1 to the client; `segment` not 0: datagrams of this size. `change` may spoil the header.
bool answer(tap_queue& queue, const datagram_client& to, const datagram& payload, std::uint16_t segment = 0,
            const std::function<void(wire::virtio_net_header&)>& change = {});

/// So many octets, different from place to place.
[[nodiscard]] datagram some_octets(std::size_t size);

} // namespace tapioca::test
