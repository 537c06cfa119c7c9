// Datagrams through a tap: checksums that nobody computed, super-frames of datagrams, and what is too large for a buffer or a
// path.
#include "daemon/tap/open_tap.hpp"
#include "tests/netns/cpp/datagram_client.hpp"
#include "tests/netns/cpp/simulated_host.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// Runs `work` with a tap in a namespace of its own; what it finds is true.
findings with_tap(unsigned mtu, const std::function<void(findings&, tun_descriptor)>& work)
{
    auto found = in_namespaces([&](findings& f) {
        auto tap = open_tap("tap0", 1);
        configure_guest("tap0", mtu);
        work(f, std::move(tap[0]));
    });
    for (const auto& error : found["error"])
        skip_if_refused(error);
    CHECK(found["error"] == lines{});
    return found;
}

/// send(2) with a segment size; 0 or the error.
int send_segmented(const datagram_client& client, std::size_t size, int segment)
{
    if (::setsockopt(client.descriptor(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0)
        return errno;
    const auto payload = some_octets(size);
    return ::send(client.descriptor(), payload.data(), payload.size(), 0) < 0 ? errno : 0;
}

std::string size_of(const datagram& d) { return std::to_string(d.size()); }

} // namespace

TEST_CASE("a frame with a partial checksum is taken by the guest's kernel as if it were complete, but only with the flag",
          "[partial_checksum]")
{
    const auto found = with_tap(1500, [](findings& f, tun_descriptor tap) {
        report::counters counters;
        tun_queue queue{std::move(tap), counters};
        const datagram_client client;
        answer(queue, client, some_octets(1000));
        f.add("partial", size_of(client.receive()));
        answer(queue, client, some_octets(1000), 0, [](wire::virtio_net_header& vnet) { vnet = {}; });
        f.add("wrong", size_of(client.receive()));
    });
    CHECK(found["partial"] == lines{"1000"});
    CHECK(found["wrong"] == lines{"0"});
}

TEST_CASE("a super-frame of datagrams is many for the guest's sockets, and many of theirs are one frame for us", "[uso]")
{
    needs_kernel(6, 2, "USO on a tap");
    const auto found = with_tap(1500, [](findings& f, tun_descriptor tap) {
        report::counters counters;
        tun_queue queue{std::move(tap), counters};
        const datagram_client client;
        answer(queue, client, some_octets(5100), 1000);
        for (int i = 0; i < 6; ++i)
            f.add("to guest", size_of(client.receive()));
        f.add("send", std::to_string(send_segmented(client, 5100, 1000)));
        const auto seen = next_datagram({&queue});
        f.add("from guest", size_of(seen.payload));
        f.add("from guest", std::to_string(seen.vnet.gso_type) + " of " + std::to_string(seen.vnet.gso_size));
    });
    CHECK(found["to guest"] == lines{"1000", "1000", "1000", "1000", "1000", "100"});
    CHECK(found["send"] == lines{"0"});
    CHECK(found["from guest"] == lines{"5100", "5 of 1000"}); // VIRTIO_NET_HDR_GSO_UDP_L4
}

TEST_CASE("a read of 64 KiB cuts the largest datagrams off without a word, one of 66 KiB does not", "[largest_datagram]")
{
    constexpr std::size_t largest = 65521 - 28; // the most that the MTU of a tap allows
    const auto found = with_tap(65521, [](findings& f, tun_descriptor tap) {
        const datagram_client client;
        for (const std::size_t room : {64U * 1024, 66U * 1024}) {
            client.send(some_octets(largest));
            datagram buffer(room);
            pollfd waiting{tap.fd.get(), POLLIN, 0};
            ssize_t n = 0;
            while (n < 60'000 && ::poll(&waiting, 1, 500) == 1)
                n = ::read(tap.fd.get(), buffer.data(), buffer.size());
            f.add("read", std::to_string(n));
        }
    });
    CHECK(found["read"] == lines{"65536", std::to_string(12 + 14 + 65521)});
}

TEST_CASE("a segment size that does not fit the path's MTU is refused, where the same datagrams one by one are fragmented",
          "[segment_above_mtu]")
{
    const auto found = with_tap(1500, [](findings& f, tun_descriptor) {
        const datagram_client client;
        f.add("fits", std::to_string(send_segmented(client, 2 * 1472, 1472)));
        const int refused = send_segmented(client, 2 * 1473, 1473);
        f.add("refused", refused == EMSGSIZE || refused == EINVAL ? "yes" : std::to_string(refused));
        f.add("single", std::to_string(send_segmented(client, 1473, 0)));
    });
    CHECK(found["fits"] == lines{"0"});
    CHECK(found["refused"] == lines{"yes"});
    CHECK(found["single"] == lines{"0"});
}
