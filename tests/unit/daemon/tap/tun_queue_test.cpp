// A queue of a tap over a pair of sockets that keep message boundaries as the tap's descriptor does.
#include "daemon/tap/capture_queue.hpp"
#include "daemon/tap/pcap_file.hpp"
#include "daemon/tap/tun_queue.hpp"
#include "proto/base/checksum.hpp"
#include "proto/frame/emit.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <sys/mman.h>
#include <sys/socket.h>
#include <utility>

using namespace tapioca;
using report::counter;
using test::octets;
using test::operator+;
using vnet_header = wire::virtio_net_header;

namespace {

enum class header : std::uint8_t { absent, present };

class stage {
public:
    stage(header vnet, offloads granted)
    {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        kernel_ = os::unique_fd{ends[1]};
        queue.emplace(tun_descriptor{os::unique_fd{ends[0]}, vnet == header::present, granted}, counters);
    }

    void kernel_sends(const octets& message) const
    {
        REQUIRE(::send(kernel_.get(), message.data(), message.size(), 0) == static_cast<ssize_t>(message.size()));
    }
    octets kernel_receives() const
    {
        octets message(1 << 17);
        const auto n = ::recv(kernel_.get(), message.data(), message.size(), 0);
        message.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
        return message;
    }
    int kernel_end() const { return kernel_.get(); }
    std::uint64_t count(counter c) const { return counters.value(c); }

    report::counters counters;
    std::optional<tun_queue> queue;

private:
    os::unique_fd kernel_;
};

constexpr offloads everything{.checksum = true, .tso = true, .uso = true};

octets image(const vnet_header& vnet)
{
    octets o(sizeof vnet);
    std::memcpy(o.data(), &vnet, sizeof vnet);
    return o;
}

octets frame_of(std::size_t size, octet fill = 0x5a) { return octets(size, fill); }

constexpr vnet_header super_frame{.flags = wire::vnet_needs_csum,
                                  .gso_type = wire::vnet_gso_tcpv4,
                                  .header_length = 54,
                                  .gso_size = 1460,
                                  .csum_start = 34,
                                  .csum_offset = 16,
                                  .num_buffers = 0};

/// A datagram with a partial checksum in the queue's slot; returns how many octets its headers take.
std::size_t put_datagram(tap_queue& queue, std::size_t payload, vnet_header& vnet)
{
    const auto slot = queue.acquire();
    for (std::size_t i = 0; i < payload; ++i)
        slot[i] = static_cast<octet>(i * 7);
    const flow_key key{ip_address::v4(192, 0, 2, 2), ip_address::v4(192, 0, 2, 1), 1000, 7, 17};
    return emit_udp(slot.data(), {}, key, {.payload = static_cast<std::uint32_t>(payload)}, vnet);
}

bool udp_checksum_holds(bytes_view frame)
{
    const auto udp = frame.subspan(14 + 20);
    return folded(ones_sum(udp) + pseudo_header_sum(ip_address::v4(192, 0, 2, 1), ip_address::v4(192, 0, 2, 2), 17,
                                                    static_cast<std::uint32_t>(udp.size()))) == 0xffff;
}

} // namespace

TEST_CASE("a frame from a tap comes with its virtio-net header")
{
    stage s{header::present, everything};
    s.kernel_sends(image(super_frame) + frame_of(60'000));
    const auto frames = s.queue->receive(4);
    REQUIRE(frames.size() == 1);
    CHECK(test::copy(frames[0].octets) == frame_of(60'000));
    CHECK(image(frames[0].vnet) == image(super_frame));
    CHECK(s.count(counter::frames_from_guest) == 1);
    CHECK(s.count(counter::octets_from_guest) == 60'000);
}

TEST_CASE("a frame from a plain tap is all frame, and asks for nothing")
{
    stage s{header::absent, {}};
    s.kernel_sends(frame_of(1514));
    const auto frames = s.queue->receive(4);
    REQUIRE(frames.size() == 1);
    CHECK(test::copy(frames[0].octets) == frame_of(1514));
    CHECK(image(frames[0].vnet) == image({}));
}

TEST_CASE("what is shorter than a virtio-net header is no frame")
{
    stage s{header::present, everything};
    s.kernel_sends(frame_of(11));
    s.kernel_sends(image({}) + frame_of(60, 1));
    const auto frames = s.queue->receive(4);
    REQUIRE(frames.size() == 1);
    CHECK(test::copy(frames[0].octets) == frame_of(60, 1));
    CHECK(s.count(counter::frames_from_guest) == 1);
}

TEST_CASE("the largest frame is whole; a longer one is counted as truncated and dropped, not the next")
{
    stage s{header::present, everything};
    const std::size_t largest = 14 + 65535;
    s.kernel_sends(image({}) + frame_of(largest, 1));
    s.kernel_sends(image({}) + frame_of(66 * 1024, 2));
    s.kernel_sends(image({}) + frame_of(60, 3));
    const auto frames = s.queue->receive(4);
    REQUIRE(frames.size() == 2);
    CHECK(test::copy(frames[0].octets) == frame_of(largest, 1));
    CHECK(test::copy(frames[1].octets) == frame_of(60, 3));
    CHECK(s.counters.dropped(drop_reason::tap_truncated) == 1);
    CHECK(s.count(counter::frames_from_guest) == 2);
}

TEST_CASE("a batch has at most what was asked for and what the queue holds, and ends where the tap is empty")
{
    stage s{header::present, everything};
    octet next = 0, sent = 0;
    for (const auto& [asked, got] :
         {std::pair<std::size_t, std::size_t>{1, 1}, {100, tun_queue::most_frames}, {8, 8}, {100, 7}, {8, 0}}) {
        for (; sent < 80 && sent < next + tun_queue::most_frames + 5; ++sent)
            s.kernel_sends(image({}) + frame_of(60U + sent, sent));
        const auto frames = s.queue->receive(asked);
        REQUIRE(frames.size() == got);
        for (const auto& frame : frames) {
            CHECK(test::copy(frame.octets) == frame_of(60U + next, next));
            ++next;
        }
    }
    CHECK(next == 80);
    CHECK(s.count(counter::frames_from_guest) == 80);
}

TEST_CASE("a batch ends where the next frame might not fit behind the others, and none is lost")
{
    constexpr std::size_t largest = 14 + 65535;
    stage s{header::present, everything};
    const int room = 1 << 23;
    if (::setsockopt(s.kernel_end(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
        WARN("so many large frames fit into no socket of ours without CAP_NET_ADMIN");
        return;
    }
    for (octet n = 0; n < 20; ++n) {
        s.kernel_sends(image({}) + frame_of(60U + n, n));
        s.kernel_sends(image({}) + frame_of(largest - n, n));
    }
    std::size_t got = 0, most = 0;
    while (got < 40) {
        const auto frames = s.queue->receive(tun_queue::most_frames);
        REQUIRE_FALSE(frames.empty());
        most = std::max(most, frames.size());
        for (const auto& frame : frames) {
            const auto n = static_cast<octet>(got / 2);
            CHECK(test::copy(frame.octets) == frame_of(got % 2 == 0 ? 60U + n : largest - n, n));
            ++got;
        }
    }
    CHECK(most >= tun_queue::large_frames);
    CHECK(most < 40);
}

TEST_CASE("with checksum offload a frame leaves as it is, behind its header")
{
    stage s{header::present, everything};
    vnet_header vnet;
    const auto headers = put_datagram(*s.queue, 1001, vnet);
    CHECK(vnet.flags == wire::vnet_needs_csum);
    CHECK(s.queue->commit(vnet, headers, 1001));
    const auto sent = s.kernel_receives();
    REQUIRE(sent.size() == sizeof vnet + headers + 1001);
    CHECK(octets(sent.begin(), sent.begin() + sizeof vnet) == image(vnet));
    CHECK_FALSE(udp_checksum_holds(bytes_view{sent}.subspan(sizeof vnet)));
    CHECK(s.count(counter::frames_to_guest) == 1);
    CHECK(s.count(counter::octets_to_guest) == headers + 1001);
}

TEST_CASE("without checksum offload the checksum is completed, and the header asks for nothing")
{
    for (const auto kind : {header::present, header::absent}) {
        stage s{kind, {}};
        const std::size_t front = kind == header::present ? sizeof(vnet_header) : 0;
        for (const std::size_t payload : {0U, 1U, 1001U, 9000U}) {
            vnet_header vnet;
            const auto headers = put_datagram(*s.queue, payload, vnet);
            REQUIRE(s.queue->commit(vnet, headers, payload));
            const auto sent = s.kernel_receives();
            REQUIRE(sent.size() == front + headers + payload);
            CHECK(udp_checksum_holds(bytes_view{sent}.subspan(front)));
            CHECK(octets(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(front)) == octets(front, 0));
        }
    }
}

TEST_CASE("a payload outside of the queue is sent from where it lies")
{
    stage s{header::present, everything};
    octets room(tap_headroom, 0);
    room = room + frame_of(3000, 7);
    std::fill(room.begin() + tap_headroom - 54, room.begin() + tap_headroom, octet{9});
    CHECK(s.queue->send(super_frame, room.data() + tap_headroom, 54, 3000));
    CHECK(s.kernel_receives() == image(super_frame) + frame_of(54, 9) + frame_of(3000, 7));
}

TEST_CASE("a payload in pieces follows the slot's headers, with and without the offloads, and is captured")
{
    const octets first = frame_of(16384, 1), second = frame_of(300, 2), third = frame_of(5000, 3);
    const std::array<bytes_view, 3> pieces{first, second, third};
    for (const auto kind : {header::present, header::absent}) {
        for (const auto& granted : {everything, offloads{}}) {
            stage s{kind, granted};
            const auto slot = s.queue->acquire();
            std::fill(slot.data() - 54, slot.data(), octet{9});
            CHECK(s.queue->commit_pieces({}, 54, pieces));
            const auto front = kind == header::present ? image({}) : octets{};
            CHECK(s.kernel_receives() == front + frame_of(54, 9) + first + second + third);
            CHECK(s.count(counter::frames_to_guest) == 1);
            CHECK(s.count(counter::octets_to_guest) == 54 + 16384 + 300 + 5000);
        }
    }
    stage s{header::present, everything};
    std::fill_n(s.queue->acquire().data() - 54, 54, octet{9});
    const os::unique_fd file{::memfd_create("capture", MFD_CLOEXEC)};
    capture_queue captured{*s.queue};
    CHECK(captured.add(std::make_shared<pcap_file>(file.get())));
    CHECK(captured.commit_pieces({}, 54, pieces));
    CHECK(s.kernel_receives() == image({}) + frame_of(54, 9) + first + second + third);
    CHECK(::lseek(file.get(), 0, SEEK_END) > 54 + 16384 + 300 + 5000);
}

TEST_CASE("a frame that the tap refuses is counted, and the next goes out when there is room")
{
    stage s{header::present, everything};
    const auto send = [&] { return s.queue->commit({}, 0, 60'000); };
    std::uint64_t sent = 0;
    while (send())
        REQUIRE(++sent < 1000);
    CHECK(s.counters.dropped(drop_reason::tap_write_failed) == 1);
    CHECK_FALSE(send());
    CHECK(s.counters.dropped(drop_reason::tap_write_failed) == 2);
    CHECK(s.count(counter::frames_to_guest) == sent); // what was refused is not
    CHECK(s.count(counter::octets_to_guest) == 60'000 * sent);
    for (std::uint64_t n = 0; n < sent; ++n)
        REQUIRE(s.kernel_receives().size() == sizeof(vnet_header) + 60'000);
    CHECK(send());
    CHECK(s.counters.dropped(drop_reason::tap_write_failed) == 2);
}
