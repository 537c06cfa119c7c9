// The table of owners: what was entered is found, by everybody, until its owner takes it out; a full table refuses.
#include "daemon/loop/owner_table.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <unordered_map>
#include <vector>

using namespace tapioca;

namespace {

/// Different flows of the same two buckets.
std::uint64_t neighbour(std::uint64_t n) { return 0x1234'0567'0000'0000 | n << 8; }
constexpr unsigned places = 2 * owner_table::ways;

} // namespace

TEST_CASE("an owner table finds what was entered, and nothing else")
{
    owner_table owners;
    std::unordered_map<std::uint64_t, unsigned> model;
    std::mt19937_64 random{1};
    for (std::size_t step = 0; step < 20'000; ++step) {
        const auto hash = random() & ~std::uint64_t{0xff}; // the last octet is not kept
        const auto owner = static_cast<unsigned>(hash >> 8) % 64;
        REQUIRE_FALSE(owners.find(hash).has_value());
        REQUIRE(owners.enter(hash, owner));
        model[hash] = owner;
    }
    for (const auto& [hash, owner] : model) {
        REQUIRE(owners.find(hash) == owner);
        owners.leave(hash, owner + 1); // not the owner
        REQUIRE(owners.find(hash) == owner);
        owners.leave(hash, owner);
        REQUIRE_FALSE(owners.find(hash).has_value());
    }
}

TEST_CASE("a flow whose places are taken is refused, until one leaves")
{
    owner_table owners;
    for (unsigned n = 0; n < places; ++n)
        REQUIRE(owners.enter(neighbour(n), n));
    CHECK_FALSE(owners.enter(neighbour(places), 0));
    CHECK_FALSE(owners.find(neighbour(places)).has_value());
    CHECK(owners.enter(neighbour(places) ^ std::uint64_t{1} << 60, 0)); // another bucket
    owners.leave(neighbour(3), 3);
    CHECK(owners.enter(neighbour(places), 0));
    for (unsigned n = 0; n <= places; ++n)
        CHECK(owners.find(neighbour(n)).has_value() == (n != 3));
}

TEST_CASE("no flow is refused while there is room: as many as two workers can have, and far more")
{
    for (const std::size_t flows : {std::size_t{131'000}, std::size_t{450'000}}) {
        owner_table owners;
        std::mt19937_64 random{flows};
        std::size_t refused = 0;
        for (std::size_t n = 0; n < flows; ++n)
            refused += !owners.enter(random(), n % 2);
        CHECK(refused == 0);
    }
}

TEST_CASE("a flow whose two buckets are one")
{
    owner_table owners;
    const std::uint64_t twice = 0x1234'1234'0000'0000;
    for (unsigned n = 0; n < owner_table::ways; ++n)
        REQUIRE(owners.enter(twice | n << 8, n));
    CHECK_FALSE(owners.enter(twice | owner_table::ways << 8, 0));
    owners.leave(twice, 0);
    CHECK_FALSE(owners.find(twice).has_value());
    CHECK(owners.enter(twice | owner_table::ways << 8, 0));
}

TEST_CASE("a hash of zero is a flow like any other")
{
    owner_table owners;
    CHECK_FALSE(owners.find(0).has_value());
    CHECK(owners.enter(0, 0));
    CHECK(owners.find(0) == 0U);
}

TEST_CASE("two workers that want the last places of a bucket do not take them from each other")
{
    const auto owners = std::make_unique<owner_table>();
    const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds{5};
    for (std::uint64_t round = 0; round < 500 && std::chrono::steady_clock::now() < enough; ++round) {
        const auto flow = [&](unsigned owner, std::uint64_t n) {
            return neighbour(owner * places + n) + (round << 48) + ((round + 0x1000) << 32);
        };
        std::array<std::array<bool, places>, 2> entered{};
        std::atomic<unsigned> started = 0;
        const auto work = [&](unsigned self) {
            ++started;
            while (started != 2)
                std::this_thread::yield();
            for (std::size_t n = 0; n < places; ++n)
                entered[self][n] = owners->enter(flow(self, n), self);
        };
        std::thread other{work, 1U};
        work(0);
        other.join();
        std::size_t successes = 0;
        for (unsigned self = 0; self < 2; ++self)
            for (std::size_t n = 0; n < places; ++n) {
                successes += entered[self][n];
                const auto found = owners->find(flow(self, n));
                REQUIRE(found.has_value() == entered[self][n]);
                REQUIRE((!found || *found == self));
            }
        REQUIRE(successes == places);
    }
}

TEST_CASE("of two workers that enter one flow in the same instant exactly one owns it")
{
    const auto owners = std::make_unique<owner_table>();
    constexpr std::uint64_t rounds = 50'000;
    // Both work through the same flows side by side; a lone neighbour that comes and goes makes them use different cells.
    std::array<std::vector<bool>, 2> entered{std::vector<bool>(rounds), std::vector<bool>(rounds)};
    std::array<std::atomic<std::uint64_t>, 2> reached{};
    std::atomic<std::uint64_t> end = rounds; // fewer where the two have to wait for a processor
    const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds{5};
    const auto work = [&](unsigned self) {
        for (std::uint64_t n = 0; n < end; ++n) {
            if (self == 0 && n % 64 == 0 && std::chrono::steady_clock::now() > enough)
                end = n + 1; // the other waits for this round to begin
            reached[self] = n;
            for (unsigned spins = 0; reached[1 - self] < n; ++spins)
                if (spins > 10'000) // or the two would take turns
                    std::this_thread::yield();
            const bool blocks = owners->enter(neighbour(rounds + self), self);
            entered[self][n] = owners->enter(neighbour(n), self);
            if (blocks)
                owners->leave(neighbour(rounds + self), self);
            if (n != 0 && entered[self][n - 1])
                owners->leave(neighbour(n - 1), self);
        }
        reached[self] = rounds;
    };
    std::thread other{work, 1U};
    work(0);
    other.join();
    std::size_t wrong = 0;
    for (std::uint64_t n = 0; n < end; ++n)
        wrong += entered[0][n] == entered[1][n];
    CHECK(wrong == 0);
}

TEST_CASE("a flow that another worker owns is refused, one's own is not, and both can be taken out")
{
    owner_table owners;
    REQUIRE(owners.enter(neighbour(1), 3));
    CHECK_FALSE(owners.enter(neighbour(1), 2));
    CHECK_FALSE(owners.enter(neighbour(1), 4));
    CHECK(owners.find(neighbour(1)) == 3U);
    CHECK(owners.enter(neighbour(1), 3)); // two flows with one hash
    owners.leave(neighbour(1), 3);
    CHECK(owners.find(neighbour(1)) == 3U);
    owners.leave(neighbour(1), 3);
    CHECK(owners.enter(neighbour(1), 2));
    for (unsigned n = 2; n <= places; ++n)
        CHECK(owners.enter(neighbour(n), 0)); // the refused ones hold no cells
}

TEST_CASE("a reader sees a flow with its owner or not at all while flows come and go")
{
    const auto owners = std::make_unique<owner_table>();
    std::atomic<bool> done = false;
    std::thread writer{[&] {
        for (unsigned n = 0; n < 100'000; ++n) {
            const auto owner = n % 7;
            static_cast<void>(owners->enter(neighbour(owner), owner));
            owners->leave(neighbour(owner), owner);
        }
        done = true;
    }};
    std::size_t wrong = 0;
    while (!done)
        for (unsigned owner = 0; owner < 7; ++owner)
            if (const auto found = owners->find(neighbour(owner)))
                wrong += *found != owner;
    writer.join();
    CHECK(wrong == 0);
}
