#include "proto/forward/resolver_choice.hpp"
#include "tests/support/catch.hpp"

#include <initializer_list>
#include <vector>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

constexpr auto a = [](octet last) { return ip_address::v4(192, 0, 2, last); };

resolver_list list(std::initializer_list<octet> last)
{
    resolver_list l;
    for (const auto o : last)
        l.push_back(a(o));
    return l;
}

struct world {
    explicit world(std::initializer_list<octet> last) { choice.follow(list(last)); }

    /// All, in the order in which they would be asked.
    [[nodiscard]] std::vector<unsigned> order() const
    {
        std::vector<unsigned> all;
        resolver_choice::set tried = 0;
        while (const auto next = choice.next(tried, now)) {
            all.push_back(*next);
            tried |= resolver_choice::bit(*next);
        }
        return all;
    }

    resolver_choice choice;
    instant now{1h};
};

using order = std::vector<unsigned>;

} // namespace

TEST_CASE("resolvers are asked in their order; nobody is asked who is not in the list")
{
    CHECK(world{1, 2, 3}.order() == order{0, 1, 2});
    CHECK(world{7}.order() == order{0});
    CHECK(world{}.order().empty());
    const world w{1, 2};
    CHECK(w.choice.find(a(2)) == 1U);
    CHECK_FALSE(w.choice.find(a(3)));
}

TEST_CASE("one that was silent comes last for half a minute, or until it answers")
{
    world w{1, 2, 3};
    w.choice.on_silence(0, w.now);
    CHECK(w.order() == order{1, 2, 0});
    w.now += 30s - 1ns;
    CHECK(w.order() == order{1, 2, 0});
    w.now += 1ns;
    CHECK(w.order() == order{0, 1, 2});
    w.choice.on_silence(0, w.now);
    w.choice.on_answer(0, 0, w.now);
    CHECK(w.order() == order{0, 1, 2});
}

TEST_CASE("if all were silent, the order is as it was: somebody must be asked")
{
    world w{1, 2, 3};
    for (const auto which : {2U, 0U, 1U})
        w.choice.on_silence(which, w.now);
    CHECK(w.order() == order{0, 1, 2});
}

TEST_CASE("one that answered where another had been silent is preferred for a minute, unless it is silent itself")
{
    world w{1, 2, 3};
    w.choice.on_silence(0, w.now);
    w.choice.on_silence(1, w.now);
    w.choice.on_answer(2, 0b11, w.now);
    CHECK(w.order() == order{2, 0, 1});
    w.now += 60s - 1ns;
    CHECK(w.order() == order{2, 0, 1});
    w.now += 1ns;
    CHECK(w.order() == order{0, 1, 2});
    w.choice.on_answer(2, 0b101, w.now); // its own bit does not matter
    CHECK(w.order() == order{2, 0, 1});
    w.choice.on_silence(2, w.now);
    CHECK(w.order() == order{0, 1, 2});
}

TEST_CASE("an answer that nobody was silent before does not change the order")
{
    world w{1, 2};
    w.choice.on_answer(1, 0, w.now);
    w.choice.on_answer(1, 0b10, w.now);
    CHECK(w.order() == order{0, 1});
}

TEST_CASE("another list begins anew; the same one again does not")
{
    world w{1, 2};
    const auto first = w.choice.generation();
    w.choice.on_silence(0, w.now);
    w.choice.on_answer(1, 0b1, w.now);
    w.choice.follow(list({1, 2}));
    CHECK(w.order() == order{1, 0});
    CHECK(w.choice.generation() == first);
    w.choice.follow(list({1, 2, 3}));
    CHECK(w.order() == order{0, 1, 2});
    CHECK(w.choice.generation() != first);
    w.choice.on_silence(0, w.now);
    w.choice.follow(list({2, 1, 3})); // in another order
    CHECK(w.order() == order{0, 1, 2});
    w.choice.follow({});
    CHECK(w.order().empty());
}
