// A capture beside a queue: the frames pass unchanged, and the file is one that a reader of pcap-savefile(5) understands.
#include "daemon/os/clock.hpp"
#include "daemon/tap/capture_queue.hpp"
#include "daemon/tap/pcap_file.hpp"
#include "daemon/tap/tun_queue.hpp"
#include "proto/frame/classify.hpp"
#include "proto/wire/tcp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace tapioca;
using test::octets;
using test::operator+;

namespace {

struct capture {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::tmpfile(), &std::fclose};

    int descriptor() const { return ::fileno(file.get()); }
    octets content() const
    {
        octets all(1 << 20);
        const auto n = ::pread(descriptor(), all.data(), all.size(), 0);
        all.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
        return all;
    }
};

struct record {
    double time;
    std::size_t length;
    octets kept;
};

std::uint32_t number(bytes_view from, std::size_t at)
{
    std::uint32_t n;
    REQUIRE(at + sizeof n <= from.size());
    std::memcpy(&n, from.data() + at, sizeof n);
    return n;
}

/// The records of a capture file; nothing may be left over.
std::vector<record> read_capture(bytes_view all)
{
    REQUIRE(all.size() >= 24);
    CHECK(number(all, 0) == 0xa1b2c3d4); // microseconds, our own octet order
    CHECK(number(all, 4) == 0x00040002); // version 2.4
    CHECK(number(all, 16) >= 65535);     // the most of a frame that is kept
    CHECK(number(all, 20) == 1);         // LINKTYPE_ETHERNET
    std::vector<record> records;
    for (std::size_t at = 24; at < all.size();) {
        const auto kept = number(all, at + 8);
        REQUIRE(at + 16 + kept <= all.size());
        records.push_back(
            {number(all, at) + 1e-6 * number(all, at + 4), number(all, at + 12), test::copy(all.subspan(at + 16, kept))});
        at += 16 + kept;
    }
    return records;
}

/// A plain tap, the kernel's end of it, and a capture beside it.
struct stage {
    stage()
    {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        kernel = os::unique_fd{ends[1]};
        tap.emplace(tun_descriptor{os::unique_fd{ends[0]}, false, {}}, counters);
        pcap_file::begin(file.descriptor());
        queue.emplace(*tap);
        queue->add(std::make_shared<pcap_file>(file.descriptor()));
    }

    report::counters counters;
    os::unique_fd kernel;
    capture file;
    std::optional<tun_queue> tap;
    std::optional<capture_queue> queue;
};

} // namespace

TEST_CASE("frames in both directions are in the capture, in their order and at their time")
{
    stage s;
    const octets from_guest(60, 1);
    REQUIRE(::send(s.kernel.get(), from_guest.data(), from_guest.size(), 0) == 60);
    const auto frames = s.queue->receive(4);
    REQUIRE(frames.size() == 1);
    CHECK(test::copy(frames[0].octets) == from_guest);

    const auto slot = s.queue->acquire();
    std::fill(slot.begin(), slot.begin() + 100, octet{2});
    std::fill(slot.data() - 14, slot.data(), octet{3});
    CHECK(s.queue->commit({}, 14, 100));

    octets elsewhere(tap_headroom + 5, 4);
    CHECK(s.queue->send({}, elsewhere.data() + tap_headroom, 20, 5));

    octets received(2000);
    CHECK(::recv(s.kernel.get(), received.data(), received.size(), 0) == 114);
    CHECK(::recv(s.kernel.get(), received.data(), received.size(), 0) == 25);

    const auto records = read_capture(s.file.content());
    REQUIRE(records.size() == 3);
    CHECK(records[0].kept == from_guest);
    CHECK(records[1].kept == octets(14, 3) + octets(100, 2));
    CHECK(records[2].kept == octets(25, 4));
    const double now = std::chrono::duration<double>(os::since_1970()).count();
    for (const auto& r : records) {
        CHECK(r.length == r.kept.size());
        CHECK(r.time <= now);
        CHECK(r.time > now - 60);
    }
}

TEST_CASE("of the largest frame the capture keeps what fits, and says how long it was")
{
    stage s;
    const octets largest(14 + 65535, 5);
    REQUIRE(::send(s.kernel.get(), largest.data(), largest.size(), 0) == static_cast<ssize_t>(largest.size()));
    REQUIRE(s.queue->receive(1).size() == 1);
    const auto records = read_capture(s.file.content());
    REQUIRE(records.size() == 1);
    CHECK(records[0].length == largest.size());
    CHECK(records[0].kept.size() == 65535);
}

namespace {

/// A queue like no other.
class odd_queue final : public tap_queue {
public:
    [[nodiscard]] offloads offload() const noexcept override { return {true, true, false}; }
    [[nodiscard]] std::size_t largest_datagram() const noexcept override { return 200'000; }
    [[nodiscard]] int descriptor() const noexcept override { return 4711; }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t) noexcept override { return {}; }
    [[nodiscard]] bool accepts_data() const noexcept override { return room; }
    [[nodiscard]] tx_slot acquire() noexcept override { return tx_slot{slot}.subspan(tap_headroom); }
    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override
    {
        return send(vnet, acquire().data(), headers, payload);
    }
    bool send(const wire::virtio_net_header& vnet, octet*, std::size_t headers, std::size_t length) noexcept override
    {
        sent.push_back({vnet, headers + length});
        return false;
    }
    void flush() noexcept override { flushed = true; }

    octets slot = octets(tap_headroom + 200'000, 7);
    std::vector<std::pair<wire::virtio_net_header, std::size_t>> sent;
    bool room = true, flushed = false;
};

} // namespace

TEST_CASE("a capture shows the queue beside it as it is")
{
    odd_queue inner;
    capture file;
    capture_queue queue{inner};
    CHECK(queue.add(std::make_shared<pcap_file>(file.descriptor())));
    CHECK((queue.offload().tso && !queue.offload().uso));
    CHECK(queue.largest_datagram() == 200'000);
    CHECK(queue.descriptor() == 4711);
    CHECK(queue.acquire().size() == 200'000);
    for (const bool yes : {true, false}) {
        inner.room = yes;
        CHECK(queue.accepts_data() == yes);
    }
    queue.flush();
    CHECK(inner.flushed);
    CHECK_FALSE(queue.commit({}, 14, 100));
    CHECK(inner.sent.size() == 1);
}

TEST_CASE("a super-frame that no IP header can describe is captured as the frames that it becomes")
{
    odd_queue inner;
    capture file;
    pcap_file::begin(file.descriptor());
    capture_queue queue{inner};
    CHECK(queue.add(std::make_shared<pcap_file>(file.descriptor())));
    for (const std::uint32_t payload : {150'000U, 60'000U}) {
        const flow_key key{ip_address::v4(192, 0, 2, 10), ip_address::v4(198, 51, 100, 7), 40000, 443, wire::protocol_tcp};
        wire::virtio_net_header vnet;
        const auto headers =
            emit_tcp(queue.acquire().data(), {}, key, {.seq = {}, .ack = {}, .payload = payload, .mss = 1460}, vnet);
        (void)queue.commit(vnet, headers, payload);
    }
    REQUIRE(inner.sent.size() == 2);
    CHECK(inner.sent[0].second == 150'000 + 54); // whole
    CHECK(inner.sent[0].first.gso_size == 1460);
    const auto records = read_capture(file.content());
    REQUIRE(records.size() == 103 + 1);
    std::size_t octets_of_stream = 0;
    for (std::size_t i = 0; i < 103; ++i) {
        CHECK(records[i].length == records[i].kept.size());
        const auto p = classify(records[i].kept);
        REQUIRE(p);
        const auto segment = wire::parse_tcp(p->l4);
        REQUIRE(segment);
        CHECK(segment->seq == seq_number{} + static_cast<std::uint32_t>(octets_of_stream));
        octets_of_stream += segment->payload.size();
    }
    CHECK(octets_of_stream == 150'000);
    CHECK(records[103].kept.size() == 60'054);
}

TEST_CASE("a capture file that cannot be written to does not stop the frames")
{
    stage s;
    capture_queue blind{*s.tap};
    CHECK(blind.add(std::make_shared<pcap_file>(-1)));
    CHECK(blind.commit({}, 0, 60));
    octets received(2000);
    CHECK(::recv(s.kernel.get(), received.data(), received.size(), 0) == 60);
    CHECK(blind.receive(1).empty());
}
