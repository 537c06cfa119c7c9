// The lower half of a guest of datagrams: cuts what it sends into fragments of any size and order, puts together what it
// receives.
#pragma once

#include "proto/frame/emit.hpp"
#include "proto/frame/reassembly.hpp"
#include "tests/adversary/dice.hpp"
#include "tests/adversary/stream_link.hpp"

#include <functional>

namespace tapioca::adversary {

struct datagram {
    endpoint source, destination;
    std::vector<octet> payload;
};

class packet_guest {
public:
    packet_guest(const std::string& socket, std::uint64_t seed, const ip_address& address4);

    void introduce();
    void send(const endpoint& source, const endpoint& destination, bytes_view payload);
    /// Hands over the datagrams that have come; false when the daemon has closed the stream.
    bool receive(instant now, const std::function<void(const datagram&)>& each);

    stream_link link;
    std::uint64_t fragments_sent = 0, fragments_received = 0, bad_checksums = 0, icmp_errors = 0;

private:
    void take(bytes_view frame, instant now, const std::function<void(const datagram&)>& each);
    void take_udp(const ip_address& source, const ip_address& destination, bytes_view l4,
                  const std::function<void(const datagram&)>& each);

    link_ends ends_;
    ip_address address4_;
    dice dice_;
    std::vector<octet> memory_;
    reassembler reassembler_;
    std::uint32_t identification_ = 0;
};

} // namespace tapioca::adversary
