// Which ports are bound, as the kernel's socket diagnosis answers: any datagrams in any number, good messages among them.
// Whatever comes, the question ends, and no port is found that no message names.
//
// A datagram is an octet that says what it is, its length, and its octets.
#include "daemon/os/socket_diag.hpp"
#include "proto/base/byte_order.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/fuzz.hpp"

#include <array>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <vector>

using namespace tapioca;

namespace {

constexpr int most_datagrams = 64; ///< what the queue of a socket takes for certain

void put(std::vector<octet>& to, const nlmsghdr& header, bytes_view body)
{
    const auto* at = reinterpret_cast<const octet*>(&header);
    to.insert(to.end(), at, at + sizeof header);
    to.insert(to.end(), body.begin(), body.end());
    to.resize((to.size() + 3) / 4 * 4);
}

/// Messages with right lengths: types, sequence numbers and flags near what is expected.
std::vector<octet> well_formed(bytes_view octets, port_set& named)
{
    fuzz_input in{octets};
    std::vector<octet> datagram;
    while (!in.empty()) {
        const auto what = in.take<octet>();
        inet_diag_msg socket{};
        const auto port = in.take<be16>();
        std::memcpy(&socket.id.idiag_sport, &port, sizeof port); // in network order
        const int error = (what & 0x20) != 0 ? -static_cast<int>(in.take<octet>()) : 0;
        nlmsghdr header{};
        constexpr std::uint16_t types[] = {SOCK_DIAG_BY_FAMILY, SOCK_DIAG_BY_FAMILY, NLMSG_DONE, NLMSG_ERROR};
        header.nlmsg_type = types[what % 4];
        header.nlmsg_seq = 1U + (what >> 2) % 4;
        header.nlmsg_flags = (what & 0x10) != 0 ? NLM_F_DUMP_INTR : 0;
        const auto* body = header.nlmsg_type == SOCK_DIAG_BY_FAMILY ? reinterpret_cast<const octet*>(&socket)
                                                                    : reinterpret_cast<const octet*>(&error);
        std::size_t length = header.nlmsg_type == SOCK_DIAG_BY_FAMILY ? sizeof socket : sizeof error;
        if ((what & 0x40) != 0)
            length /= 2;
        header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + length);
        put(datagram, header, {body, length});
        named.set(port);
    }
    return datagram;
}

/// Any octets may happen to be a message: each pair of them names a port.
void name_all(bytes_view octets, port_set& named)
{
    for (std::size_t i = 0; i + 1 < octets.size(); ++i)
        named.set(static_cast<std::uint16_t>(octets[i] << 8 | octets[i + 1]));
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::array<int, 2> ends{};
    FUZZ_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const os::unique_fd kernel{ends[1]};
    os::socket_diag diagnosis{os::unique_fd{ends[0]}};
    port_set found, named;
    fuzz_input in{{data, size}};
    for (int i = 0; i < most_datagrams && !in.empty(); ++i) {
        const auto what = in.take<octet>();
        const auto octets = in.take(in.take<octet>());
        auto datagram = (what & 1) != 0 ? std::vector<octet>{octets.begin(), octets.end()} : well_formed(octets, named);
        if ((what & 1) != 0)
            name_all(octets, named);
        if (!datagram.empty())
            (void)::send(kernel.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL);
        if ((what & 0x80) != 0)
            (void)diagnosis.add_bound_ports((what & 2) != 0 ? wire::protocol_tcp : wire::protocol_udp, found);
    }
    (void)diagnosis.add_bound_ports(wire::protocol_tcp, found);
    found -= named;
    FUZZ_CHECK(found.empty());
    return 0;
}
