#include "daemon/names/pin_book.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace tapioca;
using std::chrono::seconds;

namespace {

constexpr instant start{std::chrono::hours{1}};

egress_policy policy_of()
{
    egress_policy p;
    p.profile = egress_profile::deny_all;
    p.names = {{.action = egress_action::allow, .service = {}, .name = "good.test", .number = 0},
               {.action = egress_action::allow,
                .service = {},
                .name = "wild.test",
                .below = true,
                .private_addresses = true,
                .number = 1}};
    return p;
}

ip_address address(unsigned i) { return ip_address::v4(0xc6120000U + i); }

std::vector<pinned_address> all_of(std::initializer_list<unsigned> which, std::uint32_t ttl = 60)
{
    std::vector<pinned_address> all;
    for (const auto i : which)
        all.push_back({address(i), true, ttl});
    return all;
}

/// Until when the address may be reached by that rule.
std::optional<instant> end_of(const egress_policy& p, unsigned i, std::uint16_t rule = 0)
{
    std::optional<instant> end;
    p.pins->each(address(i), [&](const pin& found) {
        if (found.rule == rule && (!end || *end < found.until))
            end = found.until;
        return true;
    });
    return end;
}

struct book_of_policy {
    book_of_policy() { book.serve(policy, pin_book::names_are::others, start); }
    egress_policy policy = policy_of();
    pin_book book{siphash_key{1, 2}};
};

} // namespace

TEST_CASE("what an answer leads to is pinned for its time to live, a minute at least, and five more")
{
    book_of_policy b;
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({1}, 0), start));
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({2}, 3600), start));
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({3}, 0xffffffff), start));
    CHECK(end_of(b.policy, 1) == start + seconds{360});
    CHECK(end_of(b.policy, 2) == start + seconds{3900});
    CHECK(end_of(b.policy, 3) == start + seconds{360});
    CHECK_FALSE(end_of(b.policy, 4));
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({2}, 0), start + seconds{10})); // never shorter
    CHECK(end_of(b.policy, 2) == start + seconds{3900});
    CHECK(b.book.pin(b.policy, "other.test", all_of({5}), start));
    CHECK_FALSE(end_of(b.policy, 5));
}

TEST_CASE("an address that is not public is pinned for rules that say so only")
{
    book_of_policy b;
    REQUIRE(b.book.pin(b.policy, "a.wild.test", {{address(1), false, 60}}, start));
    REQUIRE(b.book.pin(b.policy, "good.test", {{address(2), false, 60}}, start));
    CHECK(end_of(b.policy, 1, 1));
    CHECK_FALSE(end_of(b.policy, 2));
}

TEST_CASE("a name has a thousand addresses, and the oldest goes")
{
    book_of_policy b;
    for (unsigned i = 0; i < 1001; ++i)
        REQUIRE(b.book.pin(b.policy, "good.test", all_of({i}), start + seconds{i / 100}));
    CHECK(*end_of(b.policy, 0) <= start);
    CHECK(*end_of(b.policy, 1) > start);
    CHECK(b.book.names().at("good.test").addresses.size() == 1000);
}

TEST_CASE("names without end have bounded memory")
{
    book_of_policy b;
    for (unsigned i = 0; i < pin_book::most_names + 10; ++i) {
        const auto now = start + std::chrono::milliseconds{i};
        if (b.book.is_nearly_full()) {
            auto next = b.policy;
            b.book.serve(next, pin_book::names_are::the_same, now);
            b.policy = next;
            b.book.forget_previous();
        }
        REQUIRE(b.book.pin(b.policy, 'n' + std::to_string(i) + ".wild.test", all_of({i}), now));
    }
    CHECK(b.book.names().size() == pin_book::most_names);
    CHECK(*end_of(b.policy, 0, 1) <= start);
    CHECK(*end_of(b.policy, pin_book::most_names + 9, 1) > start);
}

TEST_CASE("a table that is made anew has what still holds, and both are written to while both are read")
{
    book_of_policy b;
    for (unsigned i = 0; !b.book.is_nearly_full(); ++i)
        REQUIRE(b.book.pin(b.policy, "good.test", all_of({i}), start + i * seconds{1}));
    const auto now = start + seconds{20000};
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({100000}), now));
    const auto before = b.policy;
    b.book.serve(b.policy, pin_book::names_are::the_same, now);
    CHECK_FALSE(b.book.is_nearly_full());
    CHECK(end_of(b.policy, 100000));
    CHECK_FALSE(end_of(b.policy, 0));
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({100001}), now));
    CHECK((end_of(b.policy, 100001) && end_of(before, 100001)));
    b.book.forget_previous();
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({100002}), now));
    CHECK((end_of(b.policy, 100002) && !end_of(before, 100002)));
}

TEST_CASE("another policy gets what its own rules allow")
{
    book_of_policy b;
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({1}), start));
    REQUIRE(b.book.pin(b.policy, "a.wild.test", all_of({2}), start));
    auto next = policy_of();
    next.names.erase(next.names.begin());
    b.book.serve(next, pin_book::names_are::others, start);
    CHECK((!end_of(next, 1) && end_of(next, 2, 0)));
    CHECK_FALSE(b.book.has_previous());
}

TEST_CASE("pins of addresses that are in use last on")
{
    book_of_policy b;
    REQUIRE(b.book.pin(b.policy, "good.test", all_of({1, 2}, 0), start));
    const auto later = start + seconds{300};
    CHECK_FALSE(b.book.has_ending_before(start + seconds{360}));
    CHECK(b.book.has_ending_before(later + seconds{90}));
    b.book.prolong(
        b.policy, [](const ip_address& a) { return a == address(1); }, later + seconds{90}, later + seconds{300});
    CHECK(end_of(b.policy, 1) == later + seconds{300});
    CHECK(end_of(b.policy, 2) == start + seconds{360});
    b.book.sweep(start + seconds{361});
    CHECK(b.book.names().at("good.test").addresses.size() == 1);
    b.book.sweep(later + seconds{301});
    CHECK(b.book.names().empty());
}
