#include "proto/flow/slot_list.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

using namespace tapioca;

TEST_CASE("a list of slots keeps their order, whoever leaves it from wherever")
{
    std::array<slot_list::entry, 64> entries{};
    slot_list list{entries};
    std::vector<std::uint32_t> model;
    std::map<std::uint32_t, slot_list::place> places;
    const auto leaves = [&](std::uint32_t slot) {
        list.remove(places[slot]);
        model.erase(std::find(model.begin(), model.end(), slot));
    };
    std::mt19937 random{7};
    bool was_full = false;
    for (int step = 0; step < 20'000; ++step) {
        const auto slot = static_cast<std::uint32_t>(random() % 96);
        const bool listed = std::find(model.begin(), model.end(), slot) != model.end();
        if (!listed && !list.full()) {
            places[slot] = list.add(slot);
            model.push_back(slot);
        } else {
            leaves(listed && random() % 2 == 0 ? slot : list.oldest());
        }
        was_full |= list.full();
        REQUIRE(list.full() == (model.size() == entries.size()));
        REQUIRE(list.size() == model.size());
        if (!model.empty())
            REQUIRE(list.oldest() == model.front());
    }
    CHECK(was_full);
}

TEST_CASE("a list that is never long touches few entries, however many slots pass through")
{
    std::array<slot_list::entry, 1024> entries{};
    slot_list list{entries};
    std::array<slot_list::place, 3> listed{};
    for (std::uint32_t slot = 0; slot < 5000; ++slot) {
        auto& place = listed[slot % listed.size()];
        if (place != 0)
            list.remove(place);
        place = list.add(slot + 1);
    }
    CHECK(list.oldest() == 4998);
    CHECK(std::all_of(entries.begin() + 3, entries.end(), [](const auto& e) { return e.slot == 0; }));
}
