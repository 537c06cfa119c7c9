#include "proto/flow/table.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <random>
#include <unordered_map>
#include <vector>

using namespace tapioca;

namespace {

struct item {
    flow_key key;
    std::uint64_t mark = 0;
};
using table = flow_table<item>;

/// A table with the memory it needs.
struct room {
    explicit room(std::size_t capacity) : memory(table::memory_needed(capacity) / sizeof(std::uint64_t)) {}
    std::vector<std::uint64_t> memory;
    [[nodiscard]] std::span<std::byte> bytes() { return std::as_writable_bytes(std::span{memory}); }
};

flow_key key_of(std::uint32_t n)
{
    return {ip_address::v4(10, 0, 0, 1), ip_address::v4(0xc0000200U + n / 50000), static_cast<std::uint16_t>(n % 50000 + 1),
            std::uint16_t{80}, 6};
}

} // namespace

TEST_CASE("flows inserted, found, detached and erased at random agree with std::unordered_map")
{
    constexpr std::size_t capacity = 256;
    room memory{capacity};
    table flows{memory.bytes(), capacity, {1, 2}};
    struct known {
        flow_id id;
        std::uint64_t mark;
    };
    std::unordered_map<std::uint32_t, known> model;
    std::vector<flow_id> stale, detached;
    std::mt19937_64 random{3};
    for (std::uint64_t step = 1; step <= 200'000; ++step) {
        const auto n = static_cast<std::uint32_t>(random() % (2 * capacity));
        const auto key = key_of(n);
        auto* found = flows.find(key);
        REQUIRE((found != nullptr) == model.contains(n));
        if (found != nullptr) {
            REQUIRE(found->mark == model[n].mark);
            REQUIRE(flows.find(model[n].id) == found);
            if (random() % 2 == 0) {
                stale.push_back(flows.id_of(*found));
                flows.erase(*found);
                model.erase(n);
            } else if (random() % 4 == 0) {
                detached.push_back(flows.id_of(*found));
                flows.detach(*found);
                model.erase(n);
            }
        } else if (auto* fresh = flows.insert(key); fresh != nullptr) {
            fresh->mark = step;
            model[n] = {flows.id_of(*fresh), step};
            REQUIRE(fresh->key == key);
        } else {
            REQUIRE(model.size() + detached.size() == capacity);
        }
        if (!detached.empty() && random() % 2 == 0) {
            std::swap(detached[random() % detached.size()], detached.back());
            stale.push_back(detached.back());
            flows.erase(*flows.find(detached.back()));
            detached.pop_back();
        }
        REQUIRE(flows.size() == model.size() + detached.size());
        if (!stale.empty() && stale.size() % 64 == 0) {
            for (const auto id : stale)
                REQUIRE(flows.find(id) == nullptr);
            stale.clear();
        }
    }
    std::size_t visited = 0;
    flows.for_each([&](item&) { ++visited; });
    CHECK(visited == model.size() + detached.size());
}

TEST_CASE("an id that outlives its flow finds nothing, also when the slot is used again")
{
    room memory{16};
    table flows{memory.bytes(), 16, {}};
    auto* first = flows.insert(key_of(1));
    const auto id = flows.id_of(*first);
    flows.erase(*first);
    CHECK(flows.find(id) == nullptr);
    CHECK(flows.at_slot(id.slot()) == nullptr);
    auto* second = flows.insert(key_of(2));
    CHECK(flows.slot_of(*second) == id.slot());
    CHECK(flows.find(id) == nullptr);
    CHECK(flows.find(flows.id_of(*second)) == second);
    CHECK(flows.find(flow_id{}) == nullptr);
    CHECK(flows.find(flow_id{0xffffffffU}) == nullptr);
}

TEST_CASE("a fresh flow in a used slot has nothing of the flow before it")
{
    room memory{2};
    table flows{memory.bytes(), 2, {}};
    auto* first = flows.insert(key_of(1));
    first->mark = 7;
    flows.erase(*first);
    CHECK(flows.insert(key_of(1))->mark == 0);
}

TEST_CASE("a full table refuses, and takes a flow again when one has gone")
{
    constexpr std::size_t capacity = 64;
    room memory{capacity};
    table flows{memory.bytes(), capacity, {5, 6}};
    for (std::uint32_t n = 0; n < capacity; ++n)
        REQUIRE(flows.insert(key_of(n)) != nullptr);
    CHECK(flows.insert(key_of(1000)) == nullptr);
    CHECK(flows.find(key_of(1000)) == nullptr);
    flows.erase(*flows.find(key_of(17)));
    CHECK(flows.insert(key_of(1000)) != nullptr);
    CHECK(flows.find(key_of(17)) == nullptr);
    CHECK(flows.size() == capacity);
}

TEST_CASE("few flows touch few octets of a large table, and all are found while its index grows")
{
    constexpr std::size_t capacity = std::size_t{1} << 15;
    constexpr std::size_t page = 4096;
    room memory{capacity};
    table flows{memory.bytes(), capacity, {7, 8}};
    std::uint32_t n = 0;
    for (const std::uint32_t upto : {1U, 2U, 3U, 5U, 1000U, 4095U, 4096U, 4097U, 8000U}) {
        while (n < upto)
            REQUIRE(flows.insert(key_of(n++)) != nullptr);
        for (std::uint32_t each = 0; each < n; ++each)
            REQUIRE((flows.find(key_of(each)) != nullptr && flows.find(key_of(each))->key == key_of(each)));
        CHECK(flows.find(key_of(n)) == nullptr);
        std::size_t touched = 0;
        const auto octets = memory.bytes();
        for (std::size_t at = 0; at < octets.size(); at += page) {
            const auto rest = octets.subspan(at, std::min(page, octets.size() - at));
            touched += std::any_of(rest.begin(), rest.end(), [](std::byte b) { return b != std::byte{0}; });
        }
        CHECK(touched * page <= n * table::octets_of_flow + 4 * page);
    }
}

TEST_CASE("the flows of a bucket that several share are each found and erased, in whatever order")
{
    constexpr std::uint32_t capacity = 512;
    for (std::uint32_t seed = 0; seed < 8; ++seed) {
        room memory{capacity};
        table flows{memory.bytes(), capacity, {seed, 1}};
        std::vector<std::uint32_t> order;
        for (std::uint32_t n = 0; n < capacity; ++n) {
            REQUIRE(flows.insert(key_of(n)) != nullptr);
            order.push_back(n);
        }
        std::shuffle(order.begin(), order.end(), std::mt19937{seed});
        for (std::uint32_t gone = 0; gone < capacity; ++gone) {
            flows.erase(*flows.find(key_of(order[gone])));
            CHECK(flows.find(key_of(order[gone])) == nullptr);
            for (std::uint32_t left = gone + 1; left < capacity; left += 37)
                REQUIRE(flows.find(key_of(order[left])) != nullptr);
        }
        CHECK(flows.size() == 0);
    }
}

TEST_CASE("a slot's generations wrap, and stay apart from those of a free slot")
{
    room memory{2};
    table flows{memory.bytes(), 2, {}};
    std::vector<flow_id> ids;
    for (int times = 0; times < 40'000; ++times) {
        auto* f = flows.insert(key_of(1));
        REQUIRE(f != nullptr);
        const auto id = flows.id_of(*f);
        REQUIRE(flows.find(id) == f);
        REQUIRE(flows.at_slot(id.slot()) == f);
        if (!ids.empty())
            REQUIRE(flows.find(ids.back()) == nullptr);
        ids.push_back(id);
        flows.erase(*f);
        REQUIRE(flows.find(id) == nullptr);
        REQUIRE(flows.at_slot(id.slot()) == nullptr);
    }
}
