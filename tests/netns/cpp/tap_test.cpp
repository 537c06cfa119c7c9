// Taps of a real kernel: what is granted, that frames pass in both directions, with and without what the kernel offers.
#include "daemon/tap/open_tap.hpp"
#include "tests/netns/cpp/datagram_client.hpp"
#include "tests/netns/cpp/simulated_host.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <system_error>

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// As kernels were before they knew virtio-net headers.
tun_descriptor open_plain_tap(const std::string& name)
{
    os::unique_fd fd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    if (!fd || ::ioctl(fd.get(), TUNSETIFF, &request) != 0)
        throw std::system_error(errno, std::generic_category(), "plain tap");
    return {std::move(fd), false, {}};
}

const char* yes_or_no(bool b) { return b ? "yes" : "no"; }

/// Sends datagrams of several sizes to the peer and back; what went wrong is noted.
void exchange(findings& f, tap_queue& queue, const datagram_client& client)
{
    for (const std::size_t size : {1U, 2U, 999U, 1472U, 8000U}) {
        client.send(some_octets(size));
        const auto seen = next_datagram({&queue});
        if (seen.payload != some_octets(size))
            f.add("wrong", "to the peer: " + std::to_string(size));
        if ((seen.vnet.flags & wire::vnet_needs_csum) != 0)
            f.add("partial", std::to_string(size));
        answer(queue, client, seen.payload);
        if (client.receive() != some_octets(size))
            f.add("wrong", "to the guest: " + std::to_string(size));
    }
}

bool no_tun(const findings& f)
{
    const bool absent = !f["error"].empty() && f["error"].front().starts_with("Failed to open() /dev/net/tun");
    if (absent)
        WARN("skipped: " << f["error"].front());
    return absent;
}

} // namespace

TEST_CASE("a tap is opened with every offload that the kernel has")
{
    const auto found = in_namespaces([](findings& f) {
        const auto tap = open_tap("tap0", 1);
        f.add("queues", std::to_string(tap.size()));
        f.add("vnet", yes_or_no(tap[0].vnet_header));
        f.add("checksum", yes_or_no(tap[0].offload.checksum));
        f.add("tso", yes_or_no(tap[0].offload.tso));
        f.add("uso", yes_or_no(tap[0].offload.uso));
    });
    if (no_tun(found))
        return;
    CHECK(found["error"] == lines{});
    CHECK(found["queues"] == lines{"1"});
    CHECK(found["vnet"] == lines{"yes"});
    CHECK(found["checksum"] == lines{"yes"});
    CHECK(found["tso"] == lines{"yes"});
    CHECK(found["uso"] == lines{yes_or_no(kernel_is_at_least(6, 2))});
}

TEST_CASE("a tap carries datagrams both ways, with their checksums left to whom it may concern")
{
    const auto found = in_namespaces([](findings& f) {
        report::counters counters;
        tun_queue queue{std::move(open_tap("tap0", 1)[0]), counters};
        configure_guest("tap0", 9000);
        exchange(f, queue, {});
    });
    if (no_tun(found))
        return;
    CHECK(found["error"] == lines{});
    CHECK(found["wrong"] == lines{});
    CHECK(found["partial"].size() == 5); // the guest's kernel computed none
}

TEST_CASE("a plain tap without virtio-net headers carries the same, with complete checksums")
{
    const auto found = in_namespaces([](findings& f) {
        report::counters counters;
        tun_queue queue{open_plain_tap("tap0"), counters};
        configure_guest("tap0", 9000);
        exchange(f, queue, {});
    });
    if (no_tun(found))
        return;
    CHECK(found["error"] == lines{});
    CHECK(found["wrong"] == lines{});
    CHECK(found["partial"] == lines{});
}

TEST_CASE("every queue of a tap carries frames, and a flow comes back through the queue that it was answered by")
{
    const auto found = in_namespaces([](findings& f) {
        report::counters counters;
        std::deque<tun_queue> queues;
        std::vector<tap_queue*> all;
        for (auto& opened : open_tap("tap0", 3)) {
            if (!opened.offload.checksum || !opened.vnet_header)
                f.add("wrong", "offloads");
            all.push_back(&queues.emplace_back(std::move(opened), counters));
        }
        configure_guest("tap0", 1500);
        for (std::size_t i = 0; i < all.size(); ++i) {
            const datagram_client client;
            client.send(some_octets(100));
            if (next_datagram(all).payload != some_octets(100))
                f.add("wrong", "first frame");
            answer(*all[i], client, some_octets(200));
            if (client.receive() != some_octets(200))
                f.add("wrong", "answer by queue " + std::to_string(i));
            client.send(some_octets(300));
            f.add("second", std::to_string(next_datagram(all).queue));
        }
    });
    if (no_tun(found))
        return;
    CHECK(found["error"] == lines{});
    CHECK(found["wrong"] == lines{});
    CHECK(found["second"] == lines{"0", "1", "2"});
}

TEST_CASE("a queue can read what came for another one, and goes back to its own")
{
    const auto found = in_namespaces([](findings& f) {
        report::counters counters;
        auto opened = open_tap("tap0", 2);
        tun_queue first{std::move(opened[0]), counters}, second{std::move(opened[1]), counters};
        configure_guest("tap0", 1500);
        const datagram_client client;
        client.send(some_octets(100));
        (void)next_datagram({&first, &second});
        answer(second, client, some_octets(200)); // which steers what follows to the second queue
        (void)client.receive();
        const auto arrives = [&](tun_queue& reader, std::size_t size) {
            const auto wanted = some_octets(size);
            client.send(wanted);
            pollfd news{second.descriptor(), POLLIN, 0};
            for (int i = 0; i < 100 && ::poll(&news, 1, 5000) == 1; ++i)
                for (const auto& frame : reader.receive_from(second.descriptor(), 1))
                    if (frame.octets.size() > size && std::ranges::equal(frame.octets.last(size), wanted))
                        return true;
            return false;
        };
        f.add("read", arrives(first, 300) ? "by the first" : "by nobody");
        f.add("read", arrives(second, 400) ? "by the second" : "by nobody");
    });
    if (no_tun(found))
        return;
    CHECK(found["error"] == lines{});
    CHECK(found["read"] == lines{"by the first", "by the second"});
}

TEST_CASE("a tap that was made with a single queue is attached to with one, whatever was asked for")
{
    const auto found = in_namespaces([](findings& f) {
        {
            const auto made = open_tap("tap0", 1);
            leave_to_namespace(made[0].fd.get());
        }
        const auto opened = open_tap("tap0", 2);
        f.add("queues", std::to_string(opened.size()));
        f.add("offloads", opened[0].offload.tso ? "yes" : "no");
    });
    if (no_tun(found))
        return;
    CHECK(found["error"] == lines{});
    CHECK(found["queues"] == lines{"1"});
    CHECK(found["offloads"] == lines{"yes"});
}

TEST_CASE("a name that is taken is a start that failed")
{
    const auto found = in_namespaces([](findings&) {
        const auto first = open_tap("tap0", 1);
        const auto second = open_tap("tap0", 1);
    });
    if (no_tun(found))
        return;
    CHECK(found["error"] == lines{"TUNSETIFF ioctl on /dev/net/tun failed: Device or resource busy; another program serves "
                                  "the interface tap0 there: choose a name by --ns-ifname"});
}
