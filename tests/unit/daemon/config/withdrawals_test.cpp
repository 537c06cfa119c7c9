#include "daemon/config/withdrawals.hpp"
#include "tests/support/catch.hpp"

#include <chrono>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

constexpr auto in_prefix(std::uint16_t which) { return ip_address::v6({0x2001, 0xdb8, which, 0, 0, 0, 0, 2}); }
constexpr auto resolver(octet last) { return ip_address::v4(192, 0, 2, last); }

guest_network network(std::uint16_t prefix6, octet last, octet resolver_last)
{
    guest_network guest;
    guest.address4 = {ip_address::v4(192, 0, 2, last), 24};
    guest.address6 = in_prefix(prefix6);
    guest.resolvers4.push_back(resolver(resolver_last));
    return guest;
}

const instant start{};

} // namespace

TEST_CASE("what the guest was told before is withdrawn for as long as it may use it")
{
    withdrawals w;
    const auto old = network(1, 2, 53);
    followed_network next{network(2, 3, 54), {}};
    w.note(old, old, start);
    CHECK(w.empty());
    w.note(old, next.guest, start);
    w.put_into(next, start + 10min);
    REQUIRE(next.guest.withdrawn.size() == 2);
    CHECK(next.guest.withdrawn[1] == withdrawn_prefix{{prefix{in_prefix(1), 64}.network(), 64}, 6600});
    CHECK(next.guest.has_withdrawn(ip_address::v4(192, 0, 2, 2)));
    CHECK_FALSE(next.guest.has_withdrawn(ip_address::v4(192, 0, 2, 3)));
    REQUIRE(next.guest.withdrawn_resolvers.size() == 1);
    CHECK(next.guest.withdrawn_resolvers[0] == resolver(53));
    REQUIRE(next.address_map.names4.forwarded.size() == 1); // it stands for those that there are
    CHECK(next.address_map.names4.forwarded[0] == resolver(53));

    w.put_into(next, start + 30min);
    CHECK(next.guest.withdrawn_resolvers.empty());
    CHECK(next.guest.withdrawn.size() == 2);
    w.put_into(next, start + 2h);
    CHECK(next.guest.withdrawn.empty());
    CHECK(w.empty());
}

TEST_CASE("what comes back is withdrawn no more")
{
    withdrawals w;
    const auto old = network(1, 2, 53);
    followed_network next{network(2, 3, 54), {}};
    w.note(old, next.guest, start);
    w.note(next.guest, old, start);
    followed_network back{old, {}};
    w.put_into(back, start);
    CHECK_FALSE(back.guest.has_withdrawn(in_prefix(1)));
    CHECK(back.guest.has_withdrawn(in_prefix(2)));
    REQUIRE(back.guest.withdrawn_resolvers.size() == 1);
    CHECK(back.guest.withdrawn_resolvers[0] == resolver(54));
}

TEST_CASE("of many changes the last ones are told")
{
    withdrawals w;
    for (std::uint16_t i = 1; i <= 10; ++i)
        w.note(network(i, 2, 53), network(static_cast<std::uint16_t>(i + 1), 2, 53), start);
    followed_network next{network(11, 2, 53), {}};
    w.put_into(next, start);
    CHECK(next.guest.withdrawn.size() == most_withdrawn);
    CHECK(next.guest.has_withdrawn(in_prefix(10)));
    CHECK_FALSE(next.guest.has_withdrawn(in_prefix(6)));
}

TEST_CASE("a guest without addresses loses none")
{
    withdrawals w;
    w.note({}, network(1, 2, 53), start);
    CHECK(w.empty());
}
