#include "qrap/probe.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <cstddef>

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("the probe is the ARP request that every passt answers, then a neighbour solicitation")
{
    const auto arp =
        hex("0000002a ffffffffffff ffffffffffff 0806 0001 0800 06 04 0001 000000000000 00000000 000000000000 00000000");
    const auto solicitation = hex("0000004e ffffffffffff ffffffffffff 86dd 60000000 0018 3a ff 00000000000000000000000000000001"
                                  "00000000000000000000000000000000 87 00 0000 00000000 00000000000000000000000000000000");
    CHECK(arp.size() == 46);
    CHECK(copy(octets_of(qrap::probe)) == arp + solicitation);
    CHECK(offsetof(qrap::probe_frames, solicitation_length) == 46);
}
