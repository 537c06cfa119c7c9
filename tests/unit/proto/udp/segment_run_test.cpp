#include "proto/udp/segment_run.hpp"
#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

constexpr std::size_t most = most_run_octets(true);
static_assert(most == 65507 && most_run_octets(false) == 65487);

} // namespace

TEST_CASE("datagrams of equal size run until a shorter one ends the run")
{
    segment_run r;
    CHECK(r.empty());
    CHECK(r.add(1400, 1400, most));
    CHECK(r.add(1400, 1400, most));
    CHECK(r.add(100, 100, most));
    CHECK_FALSE(r.add(100, 100, most));
    CHECK_FALSE(r.add(1400, 1400, most));
    CHECK(r.segments() == 3);
    CHECK(r.segment() == 1400);
    CHECK(r.octets() == 2900);
}

TEST_CASE("a longer datagram does not join a run")
{
    segment_run r;
    CHECK(r.add(100, 100, most));
    CHECK_FALSE(r.add(101, 101, most));
    CHECK(r.segments() == 1);
    CHECK(r.octets() == 100);
}

TEST_CASE("an empty datagram travels alone")
{
    segment_run r;
    CHECK(r.add(0, 0, most));
    CHECK_FALSE(r.add(0, 0, most));
    CHECK_FALSE(r.add(1, 1, most));
    CHECK(r.segments() == 1);

    segment_run other;
    CHECK(other.add(10, 10, most));
    CHECK_FALSE(other.add(0, 0, most));
    CHECK(other.segments() == 1);
}

TEST_CASE("a run holds at most 64 datagrams")
{
    segment_run r;
    for (std::size_t i = 0; i < segment_run::most_segments; ++i)
        REQUIRE(r.add(64, 64, most));
    CHECK_FALSE(r.add(64, 64, most));
    CHECK(r.octets() == 64 * 64);
}

TEST_CASE("the offload header says how large the datagrams of a frame are")
{
    wire::virtio_net_header vnet;
    CHECK(*datagram_size(vnet, 1400) == 1400);
    CHECK(*datagram_size(vnet, 0) == 0);
    vnet.gso_type = wire::vnet_gso_udp_l4;
    vnet.gso_size = 100;
    CHECK(*datagram_size(vnet, 12'800) == 100);
    CHECK(*datagram_size(vnet, 60) == 60);
}

TEST_CASE("an offload header that would make countless datagrams of a frame is refused")
{
    wire::virtio_net_header vnet;
    vnet.gso_type = wire::vnet_gso_udp_l4;
    vnet.gso_size = 1;
    CHECK(*datagram_size(vnet, 128) == 1);
    CHECK(datagram_size(vnet, 129).why() == drop_reason::tap_gso);
    CHECK(datagram_size(vnet, 65'507).why() == drop_reason::tap_gso);
    vnet.gso_size = 0;
    CHECK_FALSE(datagram_size(vnet, 100));
    vnet.gso_type = wire::vnet_gso_tcpv4;
    vnet.gso_size = 1000;
    CHECK_FALSE(datagram_size(vnet, 100));
}

TEST_CASE("a run is no longer than a packet")
{
    segment_run r;
    for (int i = 0; i < 7; ++i)
        REQUIRE(r.add(9000, 9000, most));
    CHECK_FALSE(r.add(9000, 9000, most));
    CHECK(r.add(2507, 2507, most));
    CHECK(r.octets() == most);
}

TEST_CASE("batches join like the datagrams in them")
{
    segment_run r;
    CHECK(r.add(2800, 1400, most)); // two
    CHECK(r.add(1400, 1400, most));
    CHECK(r.add(3000, 1400, most)); // two, and a shorter one
    CHECK(r.segments() == 6);
    CHECK_FALSE(r.add(1400, 1400, most));

    segment_run other;
    CHECK(other.add(3000, 1400, most));
    CHECK_FALSE(other.add(100, 100, most));

    segment_run third;
    CHECK(third.add(1400, 1400, most));
    CHECK_FALSE(third.add(2000, 1000, most));
    CHECK(third.segments() == 1);
}

} // namespace tapioca
