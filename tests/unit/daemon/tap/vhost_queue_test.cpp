#include "tests/support/catch.hpp"
#include "tests/support/vhost_world.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

bool answer(vhost_world& w, const octets& frame)
{
    octets room = octets(tap_headroom) + frame;
    return w.queue.send({}, room.data() + tap_headroom, 0, frame.size());
}

std::size_t receive(vhost_world& w) { return w.queue.receive(tap_queue::most_frames).size(); }

/// A world whose writes are logged.
struct logged_world : vhost_world {
    explicit logged_world(const vhost_options& o = {}) : vhost_world(o) { log = vhost::dirty_log{bits}; }

    /// Pages that were written since the last time.
    std::vector<std::uint64_t> pages()
    {
        std::vector<std::uint64_t> all;
        for (std::uint64_t i = 0; i < 8 * bits.size(); ++i)
            if ((bits[i / 8] >> i % 8 & 1) != 0)
                all.push_back(i);
        std::fill(bits.begin(), bits.end(), octet{0});
        return all;
    }
    std::vector<octet> bits = std::vector<octet>((guest_ram::guest_begin + memory_octets) / 4096 / 8);
};

using pages = std::vector<std::uint64_t>;

/// The guest has spoken by pair 1, whose ring has buffers, and then by pair 0, whose ring has none.
struct starved_world : vhost_world {
    starved_world() : vhost_world({.pairs = 2})
    {
        post_many(2, 1536, 2);
        send(pattern(60), {}, 3);
        CHECK(receive(*this) == 1);
        CHECK(answer(*this, pattern(1400))); // kicks of ring 2 are not wanted from here on
        send(pattern(60), {}, 1);
        CHECK(receive(*this) == 1);
        CHECK_FALSE(answer(*this, pattern(1400)));
        queue.flush();
        CHECK_FALSE(queue.accepts_data()); // until ring 0 has buffers
    }
};

} // namespace

TEST_CASE("what a guest's driver takes decides what it is given")
{
    const auto of = [](vhost::feature_set f) { return vhost_world{{.features = vhost::version_1 | f}}.queue.offload(); };
    using namespace vhost;
    CHECK_FALSE(of(0).checksum);
    CHECK(of(guest_csum).checksum);
    CHECK_FALSE(of(guest_csum | guest_tso4).tso); // a super-frame may be of either family
    CHECK(of(guest_csum | guest_tso4 | guest_tso6).tso);
    CHECK_FALSE(of(guest_tso4 | guest_tso6).tso);
    CHECK(of(guest_csum | guest_uso4 | guest_uso6).uso);
    CHECK_FALSE(of(guest_csum | guest_uso6).uso);
}

TEST_CASE("answers go to the pair by which the guest spoke last")
{
    vhost_world w{{.pairs = 2}};
    w.post_many(4, 1536, 0);
    w.post_many(4, 1536, 2);
    for (const std::uint32_t pair : {1U, 0U, 1U}) {
        w.send(pattern(60), {}, 2 * pair + 1);
        CHECK(receive(w) == 1);
        CHECK(answer(w, pattern(60)));
        w.queue.flush();
        CHECK(w.take(2 * pair));
        CHECK_FALSE(w.driver(2 - 2 * pair).has_used());
    }
}

TEST_CASE("before the guest speaks, what we begin goes to a pair that has buffers")
{
    vhost_world w{{.pairs = 2}};
    CHECK_FALSE(w.queue.can_send());
    w.post({1536}, 2);
    CHECK(w.queue.can_send());
    CHECK(answer(w, pattern(60)));
    w.queue.flush();
    CHECK(w.take(2));
}

TEST_CASE("the driver is called once a turn for each ring, and not at all if nothing came")
{
    vhost_world w;
    w.post_many(8, 1536);
    for (int turn = 0; turn < 3; ++turn) {
        w.send(pattern(60));
        w.send(pattern(60));
        CHECK(receive(w) == 2);
        CHECK(answer(w, pattern(60)));
        CHECK(answer(w, pattern(60)));
        CHECK_FALSE(w.called(0));
        CHECK_FALSE(w.called(1));
        w.queue.flush();
        CHECK(w.called(0));
        CHECK(w.called(1));
        w.queue.flush();
        CHECK_FALSE(w.called(0));
        CHECK_FALSE(w.called(1));
    }
}

TEST_CASE("pages of the data and of the used ring are marked, and no others")
{
    logged_world w;
    (void)w.buffer(100); // so that the frame lies in two pages
    const auto first = w.buffer(0);
    w.post({8000});
    CHECK(answer(w, pattern(6000)));
    CHECK(w.pages() == pages{w.driver(0).used / 4096, first / 4096, first / 4096 + 1});
    w.queue.flush();
    CHECK(w.pages() == pages{w.driver(0).used / 4096});
    w.send(pattern(1000));
    CHECK(receive(w) == 1);
    CHECK(w.pages().empty());
    w.queue.flush();
    CHECK(w.pages() == pages{w.driver(1).used / 4096});
}

TEST_CASE("of a frame in several buffers and regions every page is marked")
{
    logged_world w;
    (void)w.buffer((1U << 20) - 5000); // up to the end of a region
    const auto first = w.buffer(0) / 4096;
    w.post({3000});
    w.post({3000});
    w.post({4000});
    CHECK(answer(w, pattern(7000)));
    w.queue.flush();
    const auto all = w.pages();
    CHECK(all == pages{w.driver(0).used / 4096, first, first + 1, first + 2});
    CHECK(w.take()->frame == pattern(7000));
}

TEST_CASE("a stopped ring says where it stood, and goes on from there")
{
    vhost_world w;
    w.send(pattern(60));
    w.send(pattern(61));
    w.send(pattern(62));
    CHECK(w.queue.receive(2).size() == 2);
    w.queue.flush();
    auto setup = w.driver(1).setup();
    setup.next = w.queue.stop(1);
    CHECK(setup.next == 2);
    CHECK_FALSE(w.queue.runs(1));
    CHECK(receive(w) == 0);
    w.start(1, setup);
    CHECK(w.queue.has_more()); // without a kick
    const auto frames = w.queue.receive(64);
    REQUIRE(frames.size() == 1);
    CHECK(copy(frames[0].octets) == pattern(62));
    w.queue.flush();
    CHECK(w.driver(1).used_index() == 3);
}

TEST_CASE("when the ring that starved is gone, the others are tried")
{
    starved_world w;
    (void)w.queue.stop(0);
    CHECK(w.queue.accepts_data());
    CHECK(answer(w, pattern(1400)));
    w.queue.flush();
    CHECK(w.take(2));
    CHECK(w.take(2));
    (void)w.queue.stop(2);
    CHECK_FALSE(w.queue.accepts_data());
}

TEST_CASE("when the guest speaks by another pair than the one that starved, that one is tried")
{
    starved_world w;
    w.send(pattern(60), {}, 3);
    CHECK(receive(w) == 1);
    CHECK(w.queue.accepts_data());
    CHECK(answer(w, pattern(1400)));
}

TEST_CASE("without rings nothing is accepted, received or sent")
{
    vhost_world w{{.pairs = 0}};
    CHECK_FALSE(w.queue.accepts_data());
    CHECK_FALSE(w.queue.can_send());
    CHECK(receive(w) == 0);
    CHECK_FALSE(answer(w, pattern(60)));
    CHECK(w.queue.acquire_body(54, 1460, 1460).empty());
    CHECK_FALSE(w.queue.commit_body({}, 54, 10));
    w.queue.on_kick(0);
    w.queue.on_kick(1);
    CHECK_FALSE(w.queue.has_more());
    CHECK_FALSE(w.queue.accepts_data());
    w.queue.flush();
}

TEST_CASE("chains that a ring had given out when it stopped are nobody's")
{
    vhost_world w;
    w.send(pattern(60));
    CHECK(receive(w) == 1);
    (void)w.queue.stop(1);
    w.queue.flush();
    CHECK(w.driver(1).used_index() == 0);
    CHECK_FALSE(w.called(1));
}

TEST_CASE("turns allocate nothing")
{
    vhost_world w{{.size = 256}};
    const auto frame = pattern(1514);
    octets room = octets(tap_headroom) + frame;
    const auto before = allocation_count();
    for (int turn = 0; turn < 50; ++turn) {
        {
            const uncounted_allocations quiet;
            w.post_many(8, 1536);
            for (int i = 0; i < 4; ++i)
                w.send(frame);
        }
        CHECK(w.queue.receive(64).size() == 4);
        for (int i = 0; i < 4; ++i)
            CHECK(w.queue.send({}, room.data() + tap_headroom, 0, frame.size()));
        CHECK_FALSE(w.queue.acquire_body(54, 1460, 4 * 1460).empty());
        CHECK(w.queue.commit_body({}, 54, 4 * 1460));
        w.queue.flush();
        const uncounted_allocations quiet;
        while (w.take()) {
        }
        while (w.driver(1).take_used()) {
        }
    }
    CHECK(allocation_count() == before);
}
