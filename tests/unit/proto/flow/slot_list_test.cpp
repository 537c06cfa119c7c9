#include "proto/flow/slot_list.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

using namespace tapioca;

TEST_CASE("a list of slots keeps their order, whoever leaves it from wherever")
{
    std::array<slot_list::link, 64> links{};
    slot_list list{links};
    std::vector<std::uint32_t> model;
    std::mt19937 random{7};
    for (int step = 0; step < 20'000; ++step) {
        const auto slot = static_cast<std::uint32_t>(random() % links.size());
        const auto at = std::find(model.begin(), model.end(), slot);
        if (at == model.end()) {
            list.add(slot);
            model.push_back(slot);
        } else if (random() % 2 == 0) {
            list.remove(slot);
            model.erase(at);
        } else {
            list.remove(list.oldest());
            model.erase(model.begin());
        }
        REQUIRE(list.size() == model.size());
        if (!model.empty())
            REQUIRE(list.oldest() == model.front());
    }
}
