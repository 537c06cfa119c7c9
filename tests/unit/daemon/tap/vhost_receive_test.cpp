#include "tests/support/catch.hpp"
#include "tests/support/vhost_world.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

octets whole(const rx_frame& f)
{
    octets all = copy(f.octets);
    f.body.each(0, f.body.octets, [&all](bytes_view part) { all.insert(all.end(), part.begin(), part.end()); });
    return all;
}

std::vector<octets> received(vhost_world& w, std::size_t most = tap_queue::most_frames)
{
    std::vector<octets> all;
    for (const auto& f : w.queue.receive(most))
        all.push_back(whole(f));
    return all;
}

/// In pieces of so many octets each; the frame has as many as the memory of the chain.
void send_in_pieces(vhost_world& w, const octets& frame, std::size_t pieces, std::size_t length)
{
    const auto at = w.buffer(2 * (frame.size() + vhost_world::header_octets));
    const auto all = octets(vhost_world::header_octets) + frame;
    std::vector<driver_buffer> chain;
    for (std::size_t i = 0; i < pieces; ++i) {
        const auto part = i + 1 == pieces ? all.size() - i * length : length;
        w.ram.write(at + 2 * i * length, bytes_view{all}.subspan(i * length, part));
        chain.push_back({at + 2 * i * length, static_cast<std::uint32_t>(part)});
    }
    w.driver(1).place(chain);
    w.show(1);
}

} // namespace

TEST_CASE("a frame up to 256 octets is a copy, whose original the guest may change")
{
    for (const std::size_t length : {14U, 60U, 255U, 256U}) {
        vhost_world w;
        const auto frame = pattern(length);
        w.send(frame);
        const auto frames = w.queue.receive(64);
        REQUIRE(frames.size() == 1);
        std::fill_n(w.ram.at(vhost_world::first_buffer), 400, octet{0xee});
        CHECK(copy(frames[0].octets) == frame);
        CHECK(frames[0].body.octets == 0);
        CHECK(frames[0].length() == length);
    }
}

TEST_CASE("of a longer frame the first 256 octets are a copy, and the rest lies where it is")
{
    vhost_world w;
    const auto frame = pattern(1514);
    w.send(frame);
    const auto frames = w.queue.receive(64);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].octets.size() == 256);
    REQUIRE(frames[0].body.pieces.size() == 1);
    CHECK(frames[0].body.pieces[0].data() == w.ram.at(vhost_world::first_buffer + 12 + 256));
    CHECK(frames[0].body.octets == 1514 - 256);
    CHECK(whole(frames[0]) == frame);
    CHECK(w.counters.value(report::counter::frames_from_guest) == 1);
    CHECK(w.counters.value(report::counter::octets_from_guest) == 1514);
}

TEST_CASE("a frame may be cut anywhere, in its virtio-net header as well")
{
    wire::virtio_net_header vnet;
    vnet.flags = wire::vnet_needs_csum;
    vnet.csum_start = 34;
    vnet.csum_offset = 16;
    const auto frame = pattern(700);
    for (const auto& cuts : std::initializer_list<std::initializer_list<std::uint32_t>>{{12},
                                                                                        {1, 1, 10},
                                                                                        {11},
                                                                                        {13},
                                                                                        {5, 250},
                                                                                        {12, 256},
                                                                                        {12, 255, 1},
                                                                                        {12, 257},
                                                                                        {12, 14, 40, 300, 1},
                                                                                        {267},
                                                                                        {268},
                                                                                        {269}}) {
        vhost_world w;
        w.send(frame, cuts, 1, vnet);
        const auto frames = w.queue.receive(64);
        REQUIRE(frames.size() == 1);
        CHECK(whole(frames[0]) == frame);
        CHECK(frames[0].octets.size() == 256);
        CHECK(frames[0].vnet.csum_start == 34);
        CHECK(frames[0].vnet.csum_offset == 16);
        CHECK(frames[0].vnet.flags == wire::vnet_needs_csum);
    }
}

TEST_CASE("a buffer that lies in two regions is two pieces")
{
    vhost_world w;
    const auto frame = pattern(3000);
    const auto at = guest_ram::guest_begin + (2U << 20) - 1000;
    w.ram.write(at, octets(12) + frame);
    w.driver(1).place({{at, 3012}});
    w.show(1);
    const auto frames = w.queue.receive(64);
    REQUIRE(frames.size() == 1);
    REQUIRE(frames[0].body.pieces.size() == 2);
    CHECK(frames[0].body.pieces[0].size() == 1000 - 268);
    CHECK(whole(frames[0]) == frame);
}

TEST_CASE("up to 32 pieces stay where they are; more are joined, one such frame at a time")
{
    vhost_world w{{.size = 256}};
    // The first 268 octets are copied, that is 26 pieces of 10 and 8 octets of the next.
    const auto few = pattern(580, 1), many = pattern(581, 2);
    send_in_pieces(w, few, 58, 10);
    send_in_pieces(w, many, 59, 10);
    send_in_pieces(w, many, 59, 10);
    const auto first = w.queue.receive(64);
    REQUIRE(first.size() == 2);
    CHECK(first[0].octets.size() == 256);
    CHECK(first[0].body.pieces.size() == 32);
    CHECK(whole(first[0]) == few);
    CHECK(first[1].octets.size() == 581);
    CHECK(first[1].body.octets == 0);
    CHECK(whole(first[1]) == many);
    CHECK(w.queue.has_more());
    CHECK(received(w) == std::vector<octets>{many});
    CHECK_FALSE(w.queue.has_more());
}

TEST_CASE("what is no frame is counted, given back, and stands in nobody's way")
{
    vhost_world w;
    w.send({}, {});                          // a header alone
    w.send(pattern(13));                     // less than Ethernet's
    w.driver(1).place({{w.buffer(11), 11}}); // not even a header
    w.show(1);
    w.driver(1).place({{w.buffer(0x10000), 0x10000}, {w.buffer(100), 100}}); // more than IP has
    w.show(1);
    w.send(pattern(60));
    CHECK(received(w) == std::vector<octets>{pattern(60)});
    CHECK(w.counters.dropped(drop_reason::truncated) == 3);
    CHECK(w.counters.dropped(drop_reason::tap_truncated) == 1);
    w.queue.flush();
    CHECK(w.driver(1).used_index() == 5);
    CHECK_FALSE(w.queue.fault());
}

TEST_CASE("chains are given back when a turn ends, or when more is received, with nothing written into them")
{
    vhost_world w;
    const auto a = w.send(pattern(60)), b = w.send(pattern(61));
    CHECK(received(w, 1).size() == 1);
    CHECK(w.queue.has_more());
    CHECK_FALSE(w.driver(1).has_used());
    CHECK(received(w, 1).size() == 1);
    CHECK_FALSE(w.driver(1).has_used()); // shown at the end only
    CHECK_FALSE(w.called(1));
    w.queue.flush();
    CHECK(w.driver(1).take_used() == ring_driver::used_element{a, 0});
    CHECK(w.driver(1).take_used() == ring_driver::used_element{b, 0});
    CHECK(w.called(1));
    w.queue.flush();
    CHECK_FALSE(w.called(1)); // nothing is new
}

TEST_CASE("a batch has 64 frames or about a MiB, and the next receive() goes on")
{
    vhost_world w{{.size = 256}};
    for (int i = 0; i < 100; ++i)
        w.send(pattern(60, static_cast<unsigned>(i)));
    CHECK(received(w).size() == 64);
    CHECK(w.queue.has_more());
    CHECK(received(w).size() == 36);
    CHECK_FALSE(w.queue.has_more());
    w.queue.flush();
    for (int i = 0; i < 40; ++i)
        w.send(pattern(65000));
    CHECK(received(w).size() == 17);
    CHECK(received(w).size() == 17);
    CHECK(received(w).size() == 6);
    CHECK_FALSE(w.queue.has_more());
}

TEST_CASE("the driver kicks again once a ring was found empty, and not before")
{
    for (const auto more : {vhost::feature_set{0}, vhost::event_idx}) {
        vhost_world w{{.features = vhost::version_1 | vhost::mrg_rxbuf | more}};
        CHECK(w.queue.has_more()); // something may be there from before
        CHECK(received(w).empty());
        CHECK_FALSE(w.queue.has_more());
        w.send(pattern(60));
        CHECK(w.queue.has_more());
        CHECK(received(w, 1).size() == 1);
        CHECK_FALSE(w.queue.has_more());
        w.send(pattern(60));
        w.send(pattern(60));
        CHECK(received(w, 1).size() == 1); // there is one more: no kick is wanted
        w.send(pattern(60));
        CHECK(received(w).size() == 2);
        CHECK_FALSE(w.queue.has_more());
        w.send(pattern(60));
        CHECK(w.queue.has_more());
    }
}

TEST_CASE("a ring that breaks down says which and why, gives nothing more, and another pair goes on")
{
    vhost_world w{{.pairs = 2}};
    w.driver(1).enter_head(999);
    w.show(1);
    w.send(pattern(60), {}, 3);
    CHECK(received(w) == std::vector<octets>{pattern(60)});
    REQUIRE(w.queue.fault());
    CHECK(w.queue.fault()->first == 1);
    CHECK(w.queue.fault()->second == vhost::ring_fault::bad_head);
    CHECK_FALSE(w.queue.has_more());
    w.send(pattern(61), {}, 3);
    CHECK(received(w) == std::vector<octets>{pattern(61)});
    (void)w.queue.stop(1);
    CHECK_FALSE(w.queue.fault());
}

TEST_CASE("rings take turns in being the first that is received from")
{
    vhost_world w{{.size = 256, .pairs = 2}};
    for (int i = 0; i < 200; ++i) {
        w.send(pattern(60, 1), {}, 1);
        w.send(pattern(60, 3), {}, 3);
    }
    std::size_t of_one = 0;
    for (int i = 0; i < 4; ++i)
        for (const auto& f : received(w))
            of_one += f == pattern(60, 1);
    CHECK(of_one == 128);
}
