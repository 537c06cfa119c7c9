#include "proto/flow/ready_list.hpp"

#include "proto/flow/table.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <vector>

namespace tapioca {
namespace {

struct listed_flow {
    flow_key key;
    bool ready_listed = false;
};

struct world {
    static constexpr std::size_t capacity = 4;

    listed_flow& flow(std::uint16_t port) { return *flows.insert({{}, {}, port, 0, 17}); }
    std::vector<std::uint16_t> run(std::size_t most = 100)
    {
        std::vector<std::uint16_t> seen;
        list.run(
            flows, [&] { return seen.size() < most; }, [&](listed_flow& f) { seen.push_back(f.key.guest_port); });
        return seen;
    }

    std::vector<std::byte> memory = std::vector<std::byte>(flow_table<listed_flow>::memory_needed(capacity));
    flow_table<listed_flow> flows{memory, capacity, {1, 2}};
    std::array<std::uint32_t, capacity> slots{};
    ready_list list{slots};
};

using ports = std::vector<std::uint16_t>;

} // namespace

TEST_CASE("each flow has its turn once, in the order in which it was listed")
{
    world w;
    auto &a = w.flow(1), &b = w.flow(2);
    w.list.add(w.flows, b);
    w.list.add(w.flows, a);
    w.list.add(w.flows, b);
    CHECK(w.run() == ports{2, 1});
    CHECK(w.list.empty());
    CHECK(w.run().empty());
}

TEST_CASE("what there is no room for, and what is listed meanwhile, waits for the next turn")
{
    world w;
    auto &a = w.flow(1), &b = w.flow(2);
    w.list.add(w.flows, a);
    w.list.add(w.flows, b);
    CHECK(w.run(1) == ports{1});
    w.list.add(w.flows, a);
    CHECK(w.run() == ports{2, 1});
    int turns = 0;
    w.list.add(w.flows, a);
    w.list.run(
        w.flows, [] { return true; },
        [&](listed_flow& f) {
            ++turns;
            w.list.add(w.flows, f);
        });
    CHECK(turns == 1);
    CHECK(!w.list.empty());
}

TEST_CASE("flows that have ended have no turn, nor has whoever got their slot")
{
    world w;
    auto& a = w.flow(1);
    w.list.add(w.flows, a);
    w.flows.erase(a);
    auto& next = w.flow(2);
    CHECK(&next == &a);
    CHECK(w.run().empty());
}

TEST_CASE("flows that come and go while there is no room leave room for those that stay")
{
    world w;
    auto& stays = w.flow(1);
    w.list.add(w.flows, stays);
    for (std::uint16_t port = 100; port < 200; ++port) {
        auto& f = w.flow(port);
        w.list.add(w.flows, f);
        CHECK(w.run(0).empty());
        if (port != 199)
            w.flows.erase(f);
    }
    CHECK(w.run() == ports{1, 199});
}

} // namespace tapioca
