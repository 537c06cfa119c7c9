#include "tests/sim/scenario.hpp"

#include <algorithm>

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// Takes what is free of the receive store's pool, as other flows would, and gives it back.
class pool_hog {
public:
    explicit pool_hog(simulation& s) : store_(const_cast<tcp::receive_store&>(s.tcp->store()))
    {
        const std::vector<octet> chunk(tcp::receive_store::chunk_octets);
        while (store_.put(queue_, 0, chunk).kept != 0) {
        }
    }
    void let_go() { store_.release(queue_); }

private:
    tcp::receive_store& store_;
    tcp::receive_store::queue queue_;
};

} // namespace

TEST_CASE("octets in front of a FIN that find no room anywhere come again, and the FIN counts no earlier")
{
    simulation s{{.guest = {.mss = 40'000, .send_frame = 40'000}}};
    auto& c = established(s);
    c.peer.socket->send_limit = 0;
    c.guest->write(1000, s.now());
    s.run_for(10ms);
    pool_hog others{s};
    c.guest->write_and_finish(40'000, s.now());
    s.run_for(300ms);
    CHECK(s.dropped(drop_reason::overflow_exhausted) != 0);
    CHECK_FALSE(c.guest->fin_acked);
    others.let_go();
    c.peer.socket->send_limit = 1 << 20;
    converse_to_end(s, c, 0, 0);
    CHECK(c.peer.received == 41'000);
}

TEST_CASE("a FIN alone behind octets that find no room anywhere waits for them, and does not end the flow")
{
    simulation s{{.guest = {.mss = 40'000, .send_frame = 40'000}}};
    auto& c = established(s);
    c.peer.socket->send_limit = 0;
    c.guest->write(1000, s.now());
    s.run_for(10ms);
    pool_hog others{s};
    c.guest->write(40'000, s.now());
    c.guest->finish(s.now()); // in the batch of the octets
    s.run_for(10s);
    CHECK(s.dropped(drop_reason::overflow_exhausted) > 1);
    CHECK(s.tcp->flow_count() == 1);
    CHECK(c.guest->at == stage::open);
    CHECK_FALSE(c.guest->fin_acked);
    others.let_go();
    c.peer.socket->send_limit = 1 << 20;
    converse_to_end(s, c, 0, 0);
    CHECK(c.peer.received == 41'000);
}

TEST_CASE("octets that find no room anywhere are sent again by the guest once there is")
{
    simulation s{{.guest = {.mss = 20'000, .send_frame = 40'000}}};
    auto& c = established(s);
    c.peer.socket->send_limit = 0;
    c.guest->write(1000, s.now());
    s.run_for(10ms);
    pool_hog others{s};
    c.guest->write(60'000, s.now());
    s.run_for(300ms);
    CHECK(s.dropped(drop_reason::overflow_exhausted) != 0);
    others.let_go();
    c.peer.socket->send_limit = 1 << 20;
    converse_to_end(s, c, 0, 0);
    CHECK(c.peer.received == 61'000);
}

TEST_CASE("downloads whose readers are gone: what is kept for them is bounded, and others go on")
{
    constexpr std::size_t pool = std::size_t{8} << 20;
    constexpr std::uint64_t octets = 100'000; // of each: 12 MB that nobody takes
    simulation s{{.flows = 512, .pool = pool}};
    std::vector<conversation*> gone;
    for (int i = 0; i < 120; ++i) {
        auto& c = established(s);
        c.guest->mute = true;
        c.peer.to_send = octets;
        gone.push_back(&c);
    }
    s.run_for(100ms);
    CHECK(s.tcp->sent().chunks_used() < pool / tcp::chunk_pool::chunk_octets);
    CHECK((s.tcp->sent().chunks_used() != 0) != kernel_has_peek_offset());

    auto& other = established(s);
    other.peer.to_send = 1'000'000;
    CHECK(s.run_until([&] { return other.guest->received() == 1'000'000; }, 2s));

    for (auto* each : gone)
        each->guest->mute = false;
    CHECK(s.run_until([&] { return std::ranges::all_of(gone, [](auto* each) { return each->guest->received() == octets; }); },
                      300s));
    s.run_for(1s);
    CHECK(s.tcp->sent().chunks_used() == 0);
}
