// What is sent again: after any single loss or pause hardly anything is, once a second has passed.
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// Octets of data towards the guest, by what they are.
struct tally {
    std::uint64_t fresh = 0, repeated = 0;
    bool begun = false;
    seq_number highest;

    void see(const wire::tcp_segment& s)
    {
        if (s.payload.empty())
            return;
        const auto end = s.seq + static_cast<std::uint32_t>(s.payload.size());
        if (!begun)
            highest = s.seq;
        begun = true;
        const auto news = std::clamp<std::int64_t>(end - highest, 0, static_cast<std::int64_t>(s.payload.size()));
        fresh += static_cast<std::uint64_t>(news);
        repeated += s.payload.size() - static_cast<std::uint64_t>(news);
        highest = std::max(highest, end);
    }
};

struct circumstances {
    std::uint16_t mtu;
    bool peek_offset;
    bool split; ///< the guest sees segments, else what its receive offload has merged
    memory_tap::when_full full;
};

std::vector<circumstances> all_circumstances()
{
    std::vector<circumstances> all;
    for (const std::uint16_t mtu : {std::uint16_t{1500}, std::uint16_t{65520}})
        for (const bool peek_offset : {true, false})
            for (const bool split : {true, false})
                for (const auto full : {memory_tap::when_full::refuses, memory_tap::when_full::says_so})
                    all.push_back({mtu, peek_offset, split, full});
    return all;
}

simulation_options options_for(const circumstances& as)
{
    simulation_options o;
    o.mtu = as.mtu;
    o.peek_offset = as.peek_offset;
    o.split_frames = as.split;
    o.to_guest = o.from_guest = {.delay = 4ms};
    o.guest.mss = static_cast<std::uint16_t>(as.mtu - 40);
    return o;
}

/// A long download; a second after `trouble` has ended hardly anything is repeated, and what the guest was sent is whole.
void check_repetitions(const circumstances& as, const std::function<void(simulation&)>& trouble)
{
    CAPTURE(as.mtu, as.peek_offset, as.split, static_cast<int>(as.full));
    simulation s{options_for(as)};
    s.tap.full = as.full;
    auto& c = established(s);
    s.tap.room = 300'000;
    c.peer.to_send = std::uint64_t{1} << 40;
    s.run_for(100ms);
    tally t;
    s.on_segment_to_guest = [&](const wire::tcp_segment& seg, instant) { t.see(seg); };
    trouble(s);
    s.run_for(1s);
    const auto before = t;
    s.run_for(500ms);
    const auto fresh = t.fresh - before.fresh, repeated = t.repeated - before.repeated;
    CHECK(fresh > 5'000'000);
    CHECK(repeated * 50 < fresh);
    CHECK(before.repeated < 600'000);
    check_no_complaints(s);
}

} // namespace

TEST_CASE("one lost segment: a second later less than 2 % of what is sent was sent before")
{
    for (const auto& as : all_circumstances())
        for (const int position : {1, 2, 7, 50, 179, 180, 181})
            check_repetitions(as, [=](simulation& s) {
                CAPTURE(position);
                int data = 0;
                s.lose_to_guest = [data, position](const wire::tcp_segment& seg) mutable {
                    return !seg.payload.empty() && ++data == position;
                };
            });
}

TEST_CASE("a pause of the guest: a second later less than 2 % of what is sent was sent before")
{
    for (const auto& as : all_circumstances())
        for (const auto length : {10ms, 150ms, 250ms, 2000ms, 40'000ms, 900'000ms})
            check_repetitions(as, [=](simulation& s) {
                CAPTURE(length.count());
                s.paused = true;
                s.run_for(length);
                s.paused = false;
            });
}
