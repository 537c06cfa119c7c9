#include "proto/frame/emit.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/interleavings.hpp"
#include "tests/support/vhost_world.hpp"

#include <numeric>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr std::size_t headers = 54; ///< of a TCP segment over IPv4
constexpr auto plain = vhost::version_1 | vhost::guest_csum;

std::size_t total(std::span<const bytes_span> body)
{
    return std::accumulate(body.begin(), body.end(), std::size_t{0}, [](std::size_t n, bytes_span p) { return n + p.size(); });
}

wire::virtio_net_header partial()
{
    wire::virtio_net_header vnet;
    vnet.flags = wire::vnet_needs_csum;
    vnet.csum_start = 34;
    vnet.csum_offset = 16;
    return vnet;
}

/// A frame whose payload is written into the buffers, as a socket does it. The octets that it should have, or none if there was
/// no room for so many.
octets send_body(vhost_world& w, std::size_t payload, std::size_t head = headers, const wire::virtio_net_header& vnet = {})
{
    const uncounted_allocations quiet;
    const auto frame = pattern(head + payload, static_cast<unsigned>(payload));
    std::size_t at = head;
    for (const auto part : w.queue.acquire_body(head, payload, payload)) {
        std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), part.size(), part.begin());
        at += part.size();
    }
    if (at != frame.size())
        return {};
    std::copy_n(frame.begin(), head, w.queue.acquire().data() - head);
    REQUIRE(w.queue.commit_body(vnet, head, payload));
    return frame;
}

/// A frame from elsewhere.
bool send_whole(vhost_world& w, const octets& frame, const wire::virtio_net_header& vnet = {})
{
    octets room = octets(tap_headroom) + frame;
    return w.queue.send(vnet, room.data() + tap_headroom + 14, 14, frame.size() - 14);
}

octets padded(octets frame)
{
    frame.resize(std::max<std::size_t>(frame.size(), 60));
    return frame;
}

} // namespace

TEST_CASE("a payload is read into posted buffers behind the room for both headers")
{
    vhost_world w;
    w.post({2000});
    const auto body = w.queue.acquire_body(headers, 1000, 1000);
    REQUIRE(body.size() == 1);
    CHECK(body[0].data() == w.ram.at(vhost_world::first_buffer + 12 + headers));
    CHECK(body[0].size() == 1000);
    const auto frame = send_body(w, 1000);
    CHECK_FALSE(w.driver(0).has_used());
    w.queue.flush();
    CHECK(w.called(0));
    const auto a = w.take();
    REQUIRE(a);
    CHECK(a->frame == frame);
    CHECK(a->vnet.num_buffers == 1);
    CHECK(a->written == std::vector<std::uint32_t>{12 + 1054});
    CHECK(w.counters.value(report::counter::octets_to_guest) == 1054);
}

TEST_CASE("a frame fills as many buffers as it takes, and says how many those are")
{
    for (const std::uint32_t length : {80U, 100U, 1536U, 4096U}) {
        vhost_world w{{.size = 1024}};
        w.post_many(900, length);
        octets frame;
        const auto payload = std::min<std::size_t>(62 * length, 65000);
        REQUIRE_FALSE((frame = send_body(w, payload)).empty());
        w.queue.flush();
        const auto a = w.take();
        REQUIRE(a);
        CHECK(a->frame == frame);
        CHECK(a->vnet.num_buffers == (12 + frame.size() + length - 1) / length);
        CHECK(a->written.back() == (12 + frame.size() - 1) % length + 1);
    }
}

TEST_CASE("headers may span the buffers, whatever their pieces are")
{
    for (const auto& chain : std::initializer_list<std::initializer_list<std::uint32_t>>{
             {12, 2000}, {1, 11, 54, 2000}, {5, 30, 31, 2000}, {66, 2000}, {65, 2000}, {67, 1, 1, 2000}}) {
        vhost_world w{{.features = plain}};
        w.post(chain);
        const auto frame = send_body(w, 1460);
        REQUIRE_FALSE(frame.empty());
        w.queue.flush();
        const auto a = w.take();
        REQUIRE(a);
        CHECK(a->frame == frame);
        CHECK(a->written == std::vector<std::uint32_t>{1526});
    }
    vhost_world w;
    for (const std::uint32_t length : {12U, 20U, 40U, 12U, 2000U})
        w.post({length});
    const auto frame = send_body(w, 1460);
    w.queue.flush();
    const auto a = w.take();
    REQUIRE(a);
    CHECK(a->frame == frame);
    CHECK(a->vnet.num_buffers == 5);
}

TEST_CASE("without merged buffers a frame has one chain, and what does not fit into it is refused")
{
    vhost_world w{{.features = plain}};
    w.post({1526});
    w.post({1526});
    CHECK_FALSE(send_whole(w, pattern(1515)));
    CHECK(w.counters.dropped(drop_reason::tap_write_failed) == 1);
    CHECK(send_whole(w, pattern(1514)));
    CHECK(total(w.queue.acquire_body(headers, 1460, 14600)) == 1460);
    CHECK(send_whole(w, pattern(100, 2)));
    w.queue.flush();
    CHECK(w.take()->frame == pattern(1514));
    const auto a = w.take();
    CHECK(a->frame == pattern(100, 2));
    CHECK(a->vnet.num_buffers == 1);
}

TEST_CASE("what the ring has room for is given in whole units")
{
    vhost_world w;
    w.post_many(10, 1536);
    CHECK(total(w.queue.acquire_body(headers, 1460, 14600)) == 14600);
    CHECK(total(w.queue.acquire_body(headers, 1460, 65000)) == 10 * 1460); // of 15294
    CHECK(total(w.queue.acquire_body(headers, 9000, 65000)) == 9000);
    CHECK(w.queue.accepts_data());
}

TEST_CASE("a body has 64 pieces at most, and then whole units as well")
{
    vhost_world w{{.size = 256}};
    w.post_many(256, 100);
    const auto body = w.queue.acquire_body(headers, 1460, 14600);
    CHECK(body.size() <= 64);
    CHECK(total(body) == 4 * 1460);
}

TEST_CASE("buffers that were not needed stay posted")
{
    vhost_world w;
    w.post_many(20, 1536);
    CHECK(total(w.queue.acquire_body(headers, 1460, 14600)) == 14600);
    REQUIRE(w.queue.commit_body({}, headers, 100)); // the socket had less
    w.queue.flush();
    CHECK(w.take()->written == std::vector<std::uint32_t>{166});
    CHECK(w.queue.stop(0) == 1);
}

TEST_CASE("short frames are padded to 60 octets with zeroes")
{
    for (const std::size_t length : {14U, 42U, 59U, 60U, 61U}) {
        vhost_world w;
        for (const std::uint32_t part : {30U, 30U, 100U}) // the padding spans buffers, too
            w.post({part});
        w.ram.write(vhost_world::first_buffer, octets(160, 0xee));
        CHECK(send_whole(w, pattern(length)));
        w.queue.flush();
        const auto a = w.take();
        REQUIRE(a);
        CHECK(a->frame == padded(pattern(length)));
    }
    for (const std::size_t payload : {1U, 5U, 6U, 7U}) {
        vhost_world w;
        w.post({70});
        w.post({2000});
        w.ram.write(vhost_world::first_buffer, octets(160, 0xee));
        const auto frame = send_body(w, payload);
        REQUIRE_FALSE(frame.empty());
        w.queue.flush();
        CHECK(w.take()->frame == padded(frame));
    }
}

TEST_CASE("for a driver without checksum offload sums are complete, whatever the lengths and the pieces")
{
    for (const std::size_t head : {54U, 55U, 66U})
        for (const std::size_t payload : {1U, 2U, 999U, 1000U, 1460U})
            for (const std::uint32_t length : {67U, 97U, 100U, 333U, 1536U}) {
                vhost_world w{{.features = vhost::version_1 | vhost::mrg_rxbuf}};
                CHECK_FALSE(w.queue.offload().checksum);
                w.post_many(60, length);
                auto frame = send_body(w, payload, head, partial());
                REQUIRE_FALSE(frame.empty());
                complete_checksum(frame, partial());
                w.queue.flush();
                const auto a = w.take();
                REQUIRE(a);
                CHECK(a->frame == padded(frame));
                CHECK(a->vnet.flags == 0);
                CHECK(a->vnet.csum_start == 0);
            }
}

TEST_CASE("so are those of frames that lie elsewhere, and a field outside of the frame is left alone")
{
    for (const std::size_t length : {60U, 61U, 1513U, 1514U}) {
        vhost_world w{{.features = vhost::version_1}};
        w.post({2000});
        w.post({2000});
        auto frame = pattern(length);
        CHECK(send_whole(w, frame, partial()));
        complete_checksum(frame, partial());
        auto beyond = partial();
        beyond.csum_start = static_cast<std::uint16_t>(length - 1);
        CHECK(send_whole(w, pattern(length), beyond));
        w.queue.flush();
        CHECK(w.take()->frame == frame);
        CHECK(w.take()->frame == pattern(length));
    }
}

TEST_CASE("with checksum offload a partial sum stays what it is")
{
    vhost_world w;
    w.post({2000});
    CHECK(send_whole(w, pattern(1000), partial()));
    w.queue.flush();
    const auto a = w.take();
    CHECK(a->frame == pattern(1000));
    CHECK(a->vnet.flags == wire::vnet_needs_csum);
    CHECK(a->vnet.csum_start == 34);
    CHECK(a->vnet.csum_offset == 16);
}

TEST_CASE("a guest that starves is waited for until it kicks")
{
    for (const auto more : {vhost::feature_set{0}, vhost::event_idx}) {
        vhost_world w{{.features = plain | vhost::mrg_rxbuf | more}};
        w.post_many(3, 1536);
        for (int i = 0; i < 3; ++i)
            REQUIRE_FALSE(send_body(w, 1460).empty());
        CHECK(w.queue.accepts_data());
        CHECK(w.queue.acquire_body(headers, 1460, 1460).empty());
        CHECK_FALSE(w.queue.accepts_data());
        CHECK_FALSE(send_whole(w, pattern(60)));
        w.queue.flush();
        CHECK_FALSE(w.queue.accepts_data());
        w.post({1536});
        CHECK(w.queue.accepts_data());
        CHECK_FALSE(send_body(w, 1460).empty());
        w.driver(0).place({{w.buffer(1536), 1536}});
        w.driver(0).show();
        CHECK_FALSE(w.driver(0).must_kick()); // nobody waits for it
    }
}

TEST_CASE("a guest that has posted too little is waited for, too")
{
    for (const auto more : {vhost::feature_set{0}, vhost::event_idx}) {
        vhost_world w{{.features = plain | vhost::mrg_rxbuf | more}};
        w.post_many(3, 1536);
        REQUIRE_FALSE(send_body(w, 1460).empty());
        CHECK(w.queue.acquire_body(headers, 8960, 8960).empty());
        CHECK_FALSE(w.queue.accepts_data());
        w.post({9000});
        CHECK(w.queue.accepts_data());
        CHECK_FALSE(send_body(w, 8960).empty());
    }
}

TEST_CASE("a room of no octets always says that it waits, however little was ever posted")
{
    for (const std::uint32_t length : {1U, 11U, 65U, 66U, 67U, 100U, 1500U})
        for (const auto features : {plain, plain | vhost::mrg_rxbuf, plain | vhost::mrg_rxbuf | vhost::event_idx}) {
            vhost_world w{{.features = features}};
            for (int i = 0; i < 4; ++i) {
                const auto body = w.queue.acquire_body(headers, 1460, 14600);
                if (total(body) == 0)
                    CHECK_FALSE(w.queue.accepts_data());
                else
                    CHECK(w.queue.commit_body({}, headers, total(body)));
                w.queue.flush();
                while (w.take()) {
                }
                w.post({length});
            }
        }
}

TEST_CASE("a ring that is as full as it ever was gives what it has, even if that is less than a unit")
{
    vhost_world w{{.size = 4}};
    w.post_many(4, 1536);
    CHECK(total(w.queue.acquire_body(headers, 9000, 60000)) == 4 * 1536 - 66);
    REQUIRE(w.queue.commit_body({}, headers, 1000)); // one buffer is gone now, and will come back
    CHECK(w.queue.acquire_body(headers, 9000, 60000).empty());
    CHECK_FALSE(w.queue.accepts_data());
    w.queue.flush();
    REQUIRE(w.take());
    w.post({1536});
    CHECK(w.queue.accepts_data());
    CHECK(total(w.queue.acquire_body(headers, 9000, 60000)) == 4 * 1536 - 66);
}

namespace {

/// A guest that posts, and a device that has data to send, which waits for room, and an answer, which does not.
struct starving {
    explicit starving(vhost::feature_set more) : w({.features = plain | vhost::mrg_rxbuf | more, .size = 4})
    {
        w.post_many(2, 1536);
        (void)send_body(w, 1460);
        (void)send_body(w, 1460);
    }
    vhost_world w;
    int to_post = 2, device_steps = 0;
    bool shown = false;

    step guest()
    {
        if (shown) {
            shown = false;
            if (w.driver(0).must_kick())
                w.queue.on_kick(0);
            return --to_post == 0 ? step::done : step::goes_on;
        }
        w.place({1536});
        w.driver(0).show();
        shown = true;
        return step::goes_on;
    }
    step device()
    {
        ++device_steps;
        if (device_steps == 2)
            (void)send_whole(w, pattern(60));
        else if (w.queue.accepts_data())
            (void)w.queue.acquire_body(headers, 1460, 1460);
        return device_steps == 4 ? step::done : step::goes_on;
    }
};

} // namespace

TEST_CASE("a guest that has posted buffers is never waited for, in whatever order it and we did our steps")
{
    for (const auto more : {vhost::feature_set{0}, vhost::event_idx}) {
        interleavings orders;
        do {
            starving s{more};
            if (orders.run({[&s] { return s.guest(); }, [&s] { return s.device(); }}))
                REQUIRE(s.w.queue.accepts_data());
        } while (orders.next());
    }
}
