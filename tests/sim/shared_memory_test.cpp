// A guest that shares its memory: what it sends is in pieces, and what it receives is written into its buffers.
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE(
    "a gap that closes in the middle of a segment in pieces closes once: what is repeated in other cuts arrives as it was sent")
{
    for (unsigned seed = 1; seed <= 8; ++seed) {
        simulation_options o;
        o.shares_memory = true;
        o.mtu = 1500;
        o.guest.send_frame = 8760;
        o.split_frames = true;
        o.to_guest = o.from_guest = {.delay = 100us, .loss = 0.05};
        o.seed = seed;
        simulation s{o};
        converse_to_end(s, established(s), 1'000'000, 100'000);
    }
}

TEST_CASE("both directions are whole over rings of 256 buffers, in large frames and in small ones")
{
    for (const std::uint16_t mtu : {std::uint16_t{1500}, std::uint16_t{9000}, std::uint16_t{65520}}) {
        simulation_options o;
        o.shares_memory = true;
        o.mtu = mtu;
        simulation s{o};
        converse_to_end(s, established(s), 5'000'000, 5'000'000);
    }
}
