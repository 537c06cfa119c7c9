#include "proto/tcp/send_store.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <vector>

using namespace tapioca;
using tcp::send_store;

namespace {

constexpr auto chunk = tcp::chunk_pool::chunk_octets;

struct pool {
    explicit pool(std::size_t chunks, std::size_t slots = 8)
        : memory(chunks * chunk), next(chunks), queues(chunks), of_slot(slots), store(memory, next, queues, of_slot)
    {
    }
    std::vector<octet> memory;
    std::vector<send_store::index> next;
    std::vector<send_store::queue> queues;
    std::vector<send_store::index> of_slot;
    send_store store;
};

std::vector<octet> read(const send_store& store, std::uint32_t slot, std::uint32_t position, std::size_t count)
{
    std::array<bytes_view, 64> pieces;
    std::vector<octet> all;
    const auto many = store.gather(slot, position, count, pieces);
    for (std::size_t i = 0; i < many; ++i)
        all.insert(all.end(), pieces[i].begin(), pieces[i].end());
    return all;
}

/// Takes `octets` out of a socket whose read was asked for `asked`. How many found room.
std::size_t append(send_store& store, std::uint32_t slot, bytes_view octets, std::size_t asked)
{
    std::array<bytes_span, 64> pieces;
    const auto many = store.extend(slot, asked, pieces);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < many; ++i) {
        const auto part = octets.subspan(kept, std::min(octets.size() - kept, pieces[i].size()));
        std::copy(part.begin(), part.end(), pieces[i].begin());
        kept += part.size();
    }
    store.keep(slot, kept);
    return kept;
}

std::size_t append(send_store& store, std::uint32_t slot, bytes_view octets)
{
    return append(store, slot, octets, octets.size());
}

} // namespace

TEST_CASE("what was appended can be read from any place until it is acknowledged")
{
    pool p{64};
    std::mt19937 random{7};
    const auto any = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>{0, below - 1}(random); };
    std::vector<std::deque<octet>> model(8);
    for (int i = 0; i < 20'000; ++i) {
        const auto slot = static_cast<std::uint32_t>(any(model.size()));
        auto& expected = model[slot];
        REQUIRE(p.store.length(slot) == expected.size());
        if (any(2) == 0) {
            std::vector<octet> octets(std::min<std::size_t>(any(40'000), p.store.room(slot)));
            std::generate(octets.begin(), octets.end(), [&] { return static_cast<octet>(random()); });
            const auto room = p.store.room(slot);
            REQUIRE(append(p.store, slot, octets, std::min<std::size_t>(room, octets.size() + any(50'000))) == octets.size());
            expected.insert(expected.end(), octets.begin(), octets.end());
        } else {
            const auto count = any(expected.size() + 1);
            REQUIRE(p.store.acknowledge(slot, static_cast<std::uint32_t>(count)));
            expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(count));
        }
        const auto from = any(expected.size() + 1);
        const auto got = read(p.store, slot, static_cast<std::uint32_t>(from), any(70'000));
        REQUIRE(got.size() <= expected.size() - from);
        REQUIRE(std::equal(got.begin(), got.end(), expected.begin() + static_cast<std::ptrdiff_t>(from)));
    }
    for (std::uint32_t slot = 0; slot < model.size(); ++slot)
        p.store.release(slot);
    CHECK(p.store.chunks_used() == 0);
}

TEST_CASE("a flow that has nothing in the store has no chunk, and no more can be acknowledged than is there")
{
    pool p{4};
    CHECK(append(p.store, 3, {}) == 0);
    CHECK(p.store.chunks_used() == 0);
    const std::vector<octet> octets(100, octet{1});
    CHECK(append(p.store, 3, octets) == 100);
    CHECK_FALSE(p.store.acknowledge(3, 101));
    CHECK_FALSE(p.store.acknowledge(2, 1));
    CHECK(p.store.acknowledge(3, 100));
    CHECK(p.store.chunks_used() == 0);
    CHECK(p.store.acknowledge(3, 0));
    p.store.release(3);
    CHECK(p.store.length(3) == 0);
}

TEST_CASE("flows that acknowledge nothing leave room for others")
{
    constexpr std::size_t chunks = 512, hoarders = 150;
    pool p{chunks, hoarders + 1};
    const std::vector<octet> octets(chunk, octet{1});
    std::uint32_t first = 0;
    for (std::uint32_t slot = 0; slot < hoarders; ++slot) {
        while (p.store.room(slot) != 0)
            (void)append(p.store, slot, bytes_view{octets}.first(std::min<std::size_t>(octets.size(), p.store.room(slot))));
        CHECK(p.store.length(slot) != 0);
        first = slot == 0 ? p.store.length(0) : first;
    }
    CHECK(first <= chunks / 8 * chunk);
    CHECK(p.store.room(hoarders) >= chunk);
    CHECK(p.store.chunks_used() < chunks);
}

TEST_CASE("of a large pool a flow may have so much and no more; of an exhausted one, nothing")
{
    pool large{4 * send_store::most_of_flow / chunk * 8};
    const std::vector<octet> octets(chunk, octet{1});
    while (large.store.room(0) != 0)
        (void)append(large.store, 0, bytes_view{octets}.first(std::min<std::size_t>(octets.size(), large.store.room(0))));
    CHECK(large.store.length(0) == send_store::most_of_flow);

    pool none{0};
    CHECK(none.store.room(0) == 0);
    CHECK(append(none.store, 0, octets) == 0);
    CHECK(none.store.length(0) == 0);

    pool one{1};
    CHECK(one.store.room(0) == chunk);
    CHECK(append(one.store, 1, octets) == chunk);
    CHECK(one.store.room(0) == 0);
    CHECK(one.store.room(1) == 0);
}
