#include "daemon/translate/guest_link.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;

namespace {

constexpr mac_address our_mac{{0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55}}, guest_mac{{0x52, 0x54, 0, 1, 2, 3}};
constexpr auto gateway4 = ip_address::v4(192, 0, 2, 1), guest4 = ip_address::v4(192, 0, 2, 2);
constexpr auto our_link_local = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1});
constexpr auto host6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}),
               guest6 = ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2});

guest_link::ours reserved()
{
    guest_link::ours r{our_mac, {}};
    for (const auto& a : {gateway4, our_link_local, host6})
        r.addresses.push_back(a);
    return r;
}

} // namespace

TEST_CASE("a guest is learned by what it sends, but cannot claim what is ours")
{
    guest_link link{guest_mac, {}, {}, {}, {}, reserved()};
    CHECK_FALSE(link.learn_mac(our_mac));
    CHECK_FALSE(link.learn_mac({}));
    CHECK(link.mac() == guest_mac);
    for (const auto& a : {guest4, guest6, gateway4, host6, our_link_local})
        link.learn_address(a);
    CHECK(link.v4() == guest4);
    CHECK(link.v6() == guest6);
    CHECK(link.link_local().is_unspecified());
    const auto own = ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 2});
    link.learn_address(own);
    CHECK(link.link_local() == own);
}

TEST_CASE("addresses that the user gave are kept, whatever is observed")
{
    guest_link link{guest_mac, guest4, guest6, {.v4 = true, .v6 = true}};
    link.learn_address(gateway4);
    link.learn_address(host6);
    CHECK(link.v4() == guest4);
    CHECK(link.v6() == guest6);
}
