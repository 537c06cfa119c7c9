#include "daemon/report/rule_counts.hpp"

#include "tests/support/catch.hpp"

#include <thread>

namespace tapioca::report {
namespace {

TEST_CASE("each slot of each side counts for itself")
{
    rule_counts counts;
    counts.add_flow(rule_side::host, 0);
    counts.add_octets_to_guest(rule_side::host, 254, 10);
    counts.add_octets_from_guest(rule_side::guest, 0, 7);
    CHECK(counts.of(rule_side::host, 0).flows == 1);
    CHECK(counts.of(rule_side::host, 0).octets_from_guest == 0);
    CHECK(counts.of(rule_side::host, 254).octets_to_guest == 10);
    CHECK(counts.of(rule_side::guest, 0).octets_from_guest == 7);
    CHECK(counts.of(rule_side::guest, 254).flows == 0);
}

TEST_CASE("what workers have counted adds up, and what was before is taken off")
{
    const rule_totals a{1, 20, 300}, b{4, 50, 600};
    const auto sum = a + b;
    CHECK(sum.flows == 5);
    CHECK(sum.octets_to_guest == 70);
    CHECK(sum.octets_from_guest == 900);
    CHECK((sum - a).octets_from_guest == b.octets_from_guest);
}

TEST_CASE("counts are read while they are written")
{
    rule_counts counts;
    constexpr std::uint64_t many = 100'000;
    std::thread writer{[&counts] {
        for (std::uint64_t n = 0; n < many; ++n)
            counts.add_flow(rule_side::host, 3);
    }};
    std::uint64_t last = 0;
    bool grows = true;
    while (last < many) {
        const auto now = counts.of(rule_side::host, 3).flows;
        grows = grows && now >= last;
        last = now;
    }
    writer.join();
    CHECK(grows);
}

} // namespace
} // namespace tapioca::report
