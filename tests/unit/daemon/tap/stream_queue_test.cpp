// A queue over a pair of stream sockets, with the guest's end in the test's hands.
#include "daemon/tap/stream_queue.hpp"

#include "proto/frame/classify.hpp"
#include "proto/frame/emit.hpp"
#include "proto/wire/tcp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <algorithm>
#include <array>
#include <sys/socket.h>

using namespace tapioca;
using test::octets;
using test::operator+;

namespace {

class stage {
public:
    stage() { connect(); }

    void connect()
    {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        guest_ = os::unique_fd{ends[1]};
        queue.attach(os::unique_fd{ends[0]});
    }
    void guest_sends(bytes_view o) const
    {
        REQUIRE(::send(guest_.get(), o.data(), o.size(), 0) == static_cast<ssize_t>(o.size()));
    }
    octets guest_receives(std::size_t most = 1 << 20) const
    {
        octets o(most);
        const auto n = ::recv(guest_.get(), o.data(), o.size(), 0);
        o.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
        return o;
    }
    void guest_leaves() { guest_.reset(); }

    /// All frames that are there.
    std::vector<octets> received()
    {
        std::vector<octets> frames;
        do
            for (const auto& frame : queue.receive(tap_queue::most_frames))
                frames.push_back(test::copy(frame.octets));
        while (queue.has_more());
        return frames;
    }
    bool sends(std::size_t length, octet fill)
    {
        auto slot = queue.acquire();
        std::fill_n(slot.begin(), length, fill);
        return queue.commit({}, 0, length);
    }

    report::counters counters;
    stream_queue queue{counters};

private:
    os::unique_fd guest_;
};

octets framed(const octets& frame)
{
    const auto n = frame.size();
    return octets{static_cast<octet>(n >> 24), static_cast<octet>(n >> 16), static_cast<octet>(n >> 8), static_cast<octet>(n)} +
           frame;
}

octets length_alone(std::uint32_t n)
{
    return {static_cast<octet>(n >> 24), static_cast<octet>(n >> 16), static_cast<octet>(n >> 8), static_cast<octet>(n)};
}

} // namespace

TEST_CASE("frames are the same wherever the stream is cut")
{
    const std::vector<octets> frames{octets(14, 1), octets(60, 2), octets(1514, 3), octets(15, 4)};
    octets stream;
    for (const auto& f : frames)
        stream = stream + framed(f);
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        stage s;
        const bytes_view all{stream};
        s.guest_sends(all.first(cut));
        auto got = s.received();
        s.guest_sends(all.subspan(cut));
        for (auto& f : s.received())
            got.push_back(std::move(f));
        REQUIRE(got == frames);
    }
}

TEST_CASE("the largest frame passes, and many of them in one go")
{
    stage s;
    const octets large(65535, 7);
    s.guest_sends(framed(large));
    CHECK(s.received() == std::vector<octets>{large});
    octets many;
    for (int i = 0; i < 100; ++i)
        many = many + framed(octets(1000, static_cast<octet>(i)));
    s.guest_sends(many);
    const auto got = s.received();
    REQUIRE(got.size() == 100);
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(got[i] == octets(1000, static_cast<octet>(i)));
}

TEST_CASE("a length that no frame has ends the stream, behind the frames that came before")
{
    for (const std::uint32_t length : {0U, 13U, 65536U, 0xffffffffU}) {
        stage s;
        s.guest_sends(framed(octets(20, 1)) + length_alone(length) + octets(100, 2));
        CHECK(s.received() == std::vector<octets>{octets(20, 1)});
        CHECK(s.queue.over());
        CHECK(s.queue.misunderstood());
    }
}

TEST_CASE("nothing of a stream is left for the next client")
{
    stage s;
    s.guest_sends(bytes_view{framed(octets(100, 1))}.first(50));
    CHECK(s.received().empty());
    CHECK(s.sends(100, 9));
    s.guest_leaves();
    CHECK(s.received().empty());
    CHECK(s.queue.over());
    CHECK_FALSE(s.queue.misunderstood());
    s.queue.detach();
    CHECK_FALSE(s.queue.accepts_data());
    CHECK_FALSE(s.sends(100, 9));
    s.connect();
    CHECK_FALSE(s.queue.over());
    s.guest_sends(framed(octets(30, 3)));
    CHECK(s.received() == std::vector<octets>{octets(30, 3)});
    s.queue.flush();
    CHECK(s.guest_receives().empty());
}

TEST_CASE("a guest that leaves right behind its last frame is seen to leave: one event announced both")
{
    stage s;
    s.guest_sends(framed(octets(60, 1)));
    s.guest_leaves();
    s.queue.expect_end();
    CHECK(s.received() == std::vector<octets>{octets(60, 1)});
    CHECK(s.queue.over());
    s.queue.detach();
    s.connect();
    s.guest_sends(framed(octets(60, 2)));
    CHECK(s.queue.receive(tap_queue::most_frames).size() == 1);
    CHECK_FALSE(s.queue.has_more()); // nothing is expected of the next one: a short read is enough
}

TEST_CASE("frames leave at the end of a turn, each behind its length, none shorter than Ethernet's least")
{
    stage s;
    CHECK(s.sends(42, 1));
    CHECK(s.sends(60, 2));
    CHECK(s.sends(1514, 3));
    CHECK(s.guest_receives().empty());
    s.queue.flush();
    CHECK(s.guest_receives() == framed(octets(42, 1) + octets(18, 0)) + framed(octets(60, 2)) + framed(octets(1514, 3)));
}

TEST_CASE("a guest that does not read is not waited for: room ends, and comes back with every octet in order")
{
    stage s;
    std::size_t sent = 0;
    for (; s.queue.accepts_data(); ++sent) {
        REQUIRE(s.sends(1514, static_cast<octet>(sent)));
        s.queue.flush();
        REQUIRE(sent < 100000);
    }
    std::size_t refused = 0;
    for (; s.sends(1514, static_cast<octet>(sent)); ++sent)
        REQUIRE(sent < 100000);
    CHECK(s.counters.dropped(drop_reason::tap_write_failed) == ++refused);
    octets all;
    for (octets some; all.empty() || !some.empty();) {
        some = s.guest_receives(10007);
        all = all + some;
        s.queue.flush();
    }
    CHECK(s.queue.accepts_data());
    REQUIRE(all.size() == sent * 1518);
    for (std::size_t i = 0; i < sent; ++i)
        REQUIRE(std::equal(all.begin() + static_cast<std::ptrdiff_t>(i * 1518 + 4),
                           all.begin() + static_cast<std::ptrdiff_t>((i + 1) * 1518),
                           octets(1514, static_cast<octet>(i)).begin()));
}

TEST_CASE("a super-frame arrives as frames of the guest's size")
{
    stage s;
    const flow_key key{ip_address::v4(192, 0, 2, 10), ip_address::v4(198, 51, 100, 7), 40000, 443, wire::protocol_tcp};
    const auto slot = s.queue.acquire();
    std::fill_n(slot.begin(), 61440, octet{5});
    wire::virtio_net_header vnet;
    const auto headers = emit_tcp(slot.data(), {}, key, {.seq = {}, .ack = {}, .payload = 61440, .mss = 1448}, vnet);
    REQUIRE(s.queue.commit(vnet, headers, 61440));
    s.queue.flush();
    const auto stream = s.guest_receives();
    std::size_t at = 0, frames = 0;
    for (; at < stream.size(); ++frames) {
        const std::size_t length = std::size_t{stream[at + 2]} * 256 + stream[at + 3];
        const auto p = classify(bytes_view{stream}.subspan(at + 4, length));
        REQUIRE(p);
        CHECK(p->l4.size() <= 1468);
        at += 4 + length;
    }
    CHECK(frames == 43);
}

TEST_CASE("long frames pass whole, checksum included, however slowly the guest reads")
{
    stage s;
    const flow_key key{ip_address::v4(192, 0, 2, 10), ip_address::v4(198, 51, 100, 7), 40000, 443, wire::protocol_tcp};
    const auto send_one = [&](octet fill, std::size_t length) {
        const auto slot = s.queue.acquire();
        std::fill_n(slot.begin(), length, fill);
        wire::virtio_net_header vnet;
        const auto payload = static_cast<std::uint32_t>(length);
        const auto headers = emit_tcp(slot.data(), {}, key, {.seq = {}, .ack = {}, .payload = payload, .mss = 65483}, vnet);
        return s.queue.commit(vnet, headers, length);
    };
    std::size_t sent = 0;
    octets stream;
    for (; sent < 60; ++sent) { // a long one, a short one, in turns
        REQUIRE(send_one(static_cast<octet>(sent), sent % 2 == 0 ? 61441 : 100));
        if (sent % 3 == 0)
            s.queue.flush();
        if (!s.queue.accepts_data())
            stream = stream + s.guest_receives(150001);
    }
    for (octets some{0}; !some.empty();) {
        s.queue.flush();
        some = s.guest_receives();
        stream = stream + some;
    }
    std::size_t at = 0, frames = 0;
    for (; at < stream.size(); ++frames) {
        const std::size_t length = std::size_t{stream[at + 2]} * 256 + stream[at + 3];
        REQUIRE(at + 4 + length <= stream.size());
        const auto p = classify(bytes_view{stream}.subspan(at + 4, length));
        REQUIRE(p);
        REQUIRE(checksum_of(
                    pseudo_header_sum(p->source, p->destination, wire::protocol_tcp, static_cast<std::uint32_t>(p->l4.size())) +
                    ones_sum(p->l4)) == 0);
        const auto segment = wire::parse_tcp(p->l4);
        REQUIRE(segment);
        CHECK(segment->payload.size() == (frames % 2 == 0 ? 61441 : 100));
        CHECK(segment->payload.back() == static_cast<octet>(frames));
        at += 4 + length;
    }
    CHECK(frames == sent);
}
