#include "proto/flow/slab.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace tapioca;

namespace {

struct item {
    std::uint64_t mark = 7;
};

} // namespace

TEST_CASE("an id finds its flow until that ends, and never the next one in the same slot")
{
    std::vector<std::uint64_t> memory(flow_slab<item>::memory_needed(2) / sizeof(std::uint64_t));
    flow_slab<item> flows{std::as_writable_bytes(std::span{memory}), 2};
    CHECK(flows.find(flow_id{0}) == nullptr);
    auto* first = flows.insert();
    auto* second = flows.insert();
    REQUIRE((first != nullptr && second != nullptr));
    CHECK(flows.insert() == nullptr);
    CHECK(flows.size() == 2);
    const auto id = flows.id_of(*first);
    first->mark = 1;
    CHECK(flows.find(id) == first);

    flows.erase(*first);
    CHECK(flows.find(id) == nullptr);
    auto* third = flows.insert();
    CHECK(third == first);
    CHECK(third->mark == 7);
    CHECK(flows.find(id) == nullptr);
    CHECK(flows.id_of(*third).slot() == id.slot());
    int seen = 0;
    flows.for_each([&](item&) { ++seen; });
    CHECK(seen == 2);
    flows.erase(*second);
    CHECK(flows.size() == 1);
}
