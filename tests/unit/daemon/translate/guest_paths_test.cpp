#include "daemon/translate/guest_paths.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr auto v4 = ip_address::v4(10, 88, 0, 2), other4 = ip_address::v4(10, 88, 0, 3);
constexpr auto v6 = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 2}), other6 = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 3});

constexpr instant at(int seconds) { return instant{std::chrono::seconds{seconds}}; }

} // namespace

TEST_CASE("what an address behind the guest cannot receive is learned for that address alone")
{
    guest_paths paths{{1, 2}};
    CHECK(paths.mtu_of(v4, 65520) == 65520);
    CHECK(paths.learn(v4, 1500, at(3)) == guest_paths::outcome::learned);
    CHECK(paths.learn(v6, 1400, at(3)) == guest_paths::outcome::learned);
    CHECK(paths.mtu_of(v4, 65520) == 1500);
    CHECK(paths.mtu_of(v6, 65520) == 1400);
    CHECK(paths.mtu_of(v4, 1300) == 1300); // the link's own is narrower
    CHECK(paths.mtu_of(other4, 65520) == 65520);
    CHECK(paths.mtu_of(other6, 65520) == 65520);
    CHECK(paths.mtu_of({}, 65520) == 65520);
    CHECK(paths.learn(v4, 1450, at(4)) == guest_paths::outcome::learned);
    CHECK(paths.mtu_of(v4, 65520) == 1450);
}

TEST_CASE("nobody makes us believe in paths that are narrower than any")
{
    guest_paths paths{{1, 2}};
    (void)paths.learn(v4, 0, at(3)); // as routers said before RFC 1191
    (void)paths.learn(v6, 68, at(3));
    CHECK(paths.mtu_of(v4, 65520) == guest_paths::least_ipv4);
    CHECK(paths.mtu_of(v6, 65520) == guest_paths::least_ipv6);
}

TEST_CASE("what was learned is forgotten after ten minutes, whichever worker tells the time")
{
    guest_paths paths{{1, 2}};
    (void)paths.learn(v6, 1400, at(5000));
    paths.tell_time(at(4999)); // a worker whose turn began earlier
    CHECK(paths.mtu_of(v6, 65520) == 1400);
    paths.tell_time(at(5599));
    CHECK(paths.mtu_of(v6, 65520) == 1400);
    paths.tell_time(at(5600));
    CHECK(paths.mtu_of(v6, 65520) == 65520);
    (void)paths.learn(v6, 1450, at(5700));
    CHECK(paths.mtu_of(v6, 65520) == 1450);
}

TEST_CASE("there is room for hundreds of addresses, and among too many the oldest is forgotten")
{
    guest_paths paths{{1, 2}};
    constexpr std::uint32_t many = 2048;
    std::size_t displaced = 0;
    for (std::uint32_t i = 0; i < many; ++i)
        displaced += paths.learn(ip_address::v4(0x0a000000U + i), 1400, at(static_cast<int>(10 + i / 100))) ==
                             guest_paths::outcome::displaced
                         ? 1
                         : 0;
    std::size_t known = 0, recent = 0;
    for (std::uint32_t i = 0; i < many; ++i) {
        const bool is = paths.mtu_of(ip_address::v4(0x0a000000U + i), 65520) == 1400;
        known += is ? 1 : 0;
        recent += is && i >= many - 64 ? 1 : 0;
    }
    CHECK(known + displaced == many);
    CHECK(known > guest_paths::sets * guest_paths::ways - 16);
    CHECK(recent > 56);
}
