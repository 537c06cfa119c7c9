// Two workers that share a vhost-user guest: messages change rings and memory between turns.
#include "tests/support/vhost_front_end.hpp"

#include <thread>

using namespace tapioca;
using namespace tapioca::test;
using vhost::request;

namespace {

/// Two pairs, each with a worker; the second pair's buffers lie in the second region.
struct two_pairs : vhost_front_end {
    two_pairs() : vhost_front_end(2)
    {
        share(0x10000);
        share(0x10000);
        negotiates();
        REQUIRE(tells_memory() == 0);
        for (std::uint32_t ring = 0; ring < 4; ++ring) {
            (void)driver_of(ring);
            starts(ring);
        }
        first.turn();
        second().turn();
    }
    [[nodiscard]] vhost_worker& second() { return others.front(); }
    static constexpr std::uint64_t buffers = guest_ram::guest_begin + 0x10000;
};

} // namespace

TEST_CASE("each pair of rings is served by its worker")
{
    two_pairs f;
    f.sends(1, f.buffers, 60);
    f.sends(3, f.buffers + 0x1000, 61);
    f.first.turn();
    f.second().turn();
    CHECK(f.first.lengths == std::vector<std::size_t>{60});
    CHECK(f.second().lengths == std::vector<std::size_t>{61});
    CHECK(f.stops(3) == 1);
}

TEST_CASE("a message waits until the other worker's turn has ended")
{
    two_pairs f;
    f.sends(3, f.buffers, 60);
    f.second().device->begin_turn();
    std::atomic<bool> answered = false;
    f.says(state_word(request::get_vring_base, 3, 0));
    std::thread worker{[&] {
        f.first.turn();
        answered = true;
    }};
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    CHECK_FALSE(answered);
    CHECK_FALSE(f.reply());
    f.second().device->end_turn(os::now());
    worker.join();
    CHECK(answered);
    CHECK(f.reply());
}

TEST_CASE("a ring that breaks down at another worker costs the connection, which worker 0 closes")
{
    two_pairs f;
    f.drivers[3]->enter_head(1000);
    f.drivers[3]->show();
    os::signal(f.kicks[3].get());
    f.second().turn();
    CHECK_FALSE(f.is_closed());
    f.first.turn();
    CHECK(f.is_closed());
    using report::event_kind;
    CHECK(f.first.told == std::vector<event_kind>{event_kind::vhost_ring_broken, event_kind::client_gone});
    f.second().turn();
    CHECK_FALSE(f.second().device->has_carrier());
}

TEST_CASE("while a worker receives, memory comes and goes, rings stop and start, and each frame arrives once")
{
    two_pairs f;
    std::atomic<bool> over = false;
    std::thread worker{[&] {
        while (!over)
            f.second().turn();
    }};
    constexpr std::uint32_t frames = 200;
    for (std::uint32_t i = 0; i < frames; ++i) {
        f.sends(3, f.buffers + 2048ULL * (i % 16), 60 + i % 100);
        switch (i % 4) {
        case 0: {
            REQUIRE(f.asks(region_word(request::rem_mem_reg, f.region_of(0), 0)) == 0); // the rings' own
            REQUIRE(f.asks(region_word(request::add_mem_reg, f.region_of(0), 1), {f.files[0].fd.get()}) == 0);
            break;
        }
        case 1: {
            (void)f.stops(3);
            REQUIRE(f.asks(number_word(request::set_vring_kick, 3, 1), {f.kicks[3].get()}) == 0);
            break;
        }
        case 2:
            REQUIRE(f.asks(address_word(vhost_front_end::address_of(*f.drivers[3], 3))) == 0);
            break;
        default:
            f.first.turn();
        }
        while (f.drivers[3]->take_used()) {
        }
        if (f.drivers[3]->free() < 32)
            for (int waits = 0; f.drivers[3]->free() < 60 && waits < 100'000; ++waits) {
                (void)f.drivers[3]->take_used();
                std::this_thread::yield();
            }
    }
    for (int waits = 0; f.drivers[3]->free() < 64 && waits < 1'000'000; ++waits) {
        (void)f.drivers[3]->take_used();
        std::this_thread::yield();
    }
    over = true;
    worker.join();
    CHECK(f.second().lengths.size() == frames);
    CHECK(f.drivers[3]->used_index() == frames);
    CHECK(f.first.told.empty());
}
