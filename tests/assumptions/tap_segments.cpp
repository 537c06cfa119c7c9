// TCP through a tap: a segment of many times the MTU, marked for segmentation, is one frame in either direction.
#include "daemon/tap/open_tap.hpp"
#include "proto/frame/emit.hpp"
#include "proto/wire/tcp.hpp"
#include "tests/netns/cpp/datagram_client.hpp"
#include "tests/netns/cpp/simulated_host.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr std::size_t ten_segments = 10 * 1460; // the first window of both ends
constexpr std::uint16_t guest_port = 5000;

void require(bool holds, const char* what)
{
    if (!holds)
        throw std::system_error(errno, std::generic_category(), what);
}

os::unique_fd listen_in_guest()
{
    os::unique_fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(guest_port);
    require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0 && ::listen(fd.get(), 1) == 0, "listen");
    return fd;
}

struct segment {
    wire::virtio_net_header vnet;
    std::uint32_t seq = 0, ack = 0;
    std::size_t payload = 0;
};

/// One TCP connection to the guest's kernel, from 192.0.2.1, without loss and without state beyond two numbers.
class peer {
public:
    explicit peer(tap_queue& queue) : queue_(queue) {}

    void send(octet flags, std::size_t payload)
    {
        const auto slot = queue_.acquire();
        const auto data = some_octets(payload);
        std::copy(data.begin(), data.end(), slot.begin());
        const flow_key key{ip_address::v4(192, 0, 2, 2), ip_address::v4(192, 0, 2, 1), guest_port, 6000, 6};
        const bool syn = (flags & wire::tcp_syn) != 0;
        const tcp_emission tcp{.seq = seq_number{seq_},
                               .ack = seq_number{ack_},
                               .flags = flags,
                               .window = 64000,
                               .payload = static_cast<std::uint32_t>(payload),
                               .mss = 1460,
                               .mss_option = static_cast<std::uint16_t>(syn ? 1460 : 0)};
        wire::virtio_net_header vnet;
        const auto headers = emit_tcp(slot.data(), {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}}, key, tcp, vnet);
        require(queue_.commit(vnet, headers, payload), "commit");
        seq_ += static_cast<std::uint32_t>(payload) + (syn ? 1 : 0);
    }

    /// The next segment with payload, or with SYN.
    segment receive()
    {
        pollfd waiting{queue_.descriptor(), POLLIN, 0};
        while (::poll(&waiting, 1, 1000) == 1)
            for (const auto& frame : queue_.receive(1)) {
                const auto f = frame.octets;
                if (f.size() < 54 || f[12] != 8 || f[13] != 0 || f[23] != 6)
                    continue;
                const std::size_t headers = 34 + (f[46] >> 4) * 4U;
                const auto number = [&](std::size_t at) {
                    return std::uint32_t{f[at]} << 24 | std::uint32_t{f[at + 1]} << 16 | std::uint32_t{f[at + 2]} << 8 |
                           f[at + 3];
                };
                const bool syn = (f[47] & wire::tcp_syn) != 0;
                if (f.size() == headers && !syn)
                    continue;
                ack_ = number(38) + static_cast<std::uint32_t>(f.size() - headers) + (syn ? 1 : 0);
                return {frame.vnet, number(38), number(42), f.size() - headers};
            }
        throw std::system_error(ETIMEDOUT, std::generic_category(), "no segment");
    }

private:
    tap_queue& queue_;
    std::uint32_t seq_ = 1000, ack_ = 0;
};

findings with_connection(const std::function<void(findings&, peer&, int)>& work)
{
    auto found = in_namespaces([&](findings& f) {
        report::counters counters;
        tun_queue queue{std::move(open_tap("tap0", 1)[0]), counters};
        configure_guest("tap0", 1500);
        const auto listener = listen_in_guest();
        peer p{queue};
        p.send(wire::tcp_syn, 0);
        f.add("handshake", std::to_string(p.receive().ack));
        p.send(wire::tcp_ack, 0);
        const os::unique_fd accepted{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        require(static_cast<bool>(accepted), "accept");
        work(f, p, accepted.get());
    });
    for (const auto& error : found["error"])
        skip_if_refused(error);
    CHECK(found["error"] == lines{});
    CHECK(found["handshake"] == lines{"1001"});
    return found;
}

} // namespace

TEST_CASE("the guest's kernel takes a segment of ten times the MTU that is marked for segmentation", "[tso_to_guest]")
{
    const auto found = with_connection([](findings& f, peer& p, int guest) {
        p.send(wire::tcp_ack | wire::tcp_psh, ten_segments);
        datagram got(ten_segments);
        const timeval patience{1, 0};
        ::setsockopt(guest, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const auto n = ::recv(guest, got.data(), got.size(), MSG_WAITALL);
        f.add("taken", std::to_string(n));
        f.add("equal", got == some_octets(ten_segments) ? "yes" : "no");
    });
    CHECK(found["taken"] == lines{std::to_string(ten_segments)});
    CHECK(found["equal"] == lines{"yes"});
}

TEST_CASE("what the guest's kernel sends at once comes as one segment, with the size to cut it into", "[tso_from_guest]")
{
    const auto found = with_connection([](findings& f, peer& p, int guest) {
        const auto data = some_octets(ten_segments);
        require(::send(guest, data.data(), data.size(), 0) == static_cast<ssize_t>(data.size()), "send");
        std::size_t total = 0, largest = 0;
        while (total < data.size()) {
            const auto got = p.receive();
            total += got.payload;
            largest = std::max(largest, got.payload);
            if (got.payload > 1460)
                f.add("marked", std::to_string(got.vnet.gso_type) + " of " + std::to_string(got.vnet.gso_size));
            p.send(wire::tcp_ack, 0);
        }
        f.add("super-frame", largest > 2 * 1460 ? "yes" : std::to_string(largest));
    });
    CHECK(found["super-frame"] == lines{"yes"});
    REQUIRE_FALSE(found["marked"].empty());
    for (const auto& kind : found["marked"])
        CHECK(kind == "1 of 1460"); // VIRTIO_NET_HDR_GSO_TCPV4
}
