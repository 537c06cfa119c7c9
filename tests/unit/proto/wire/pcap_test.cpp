#include "proto/wire/pcap.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace tapioca::wire;
using namespace std::chrono_literals;

namespace {

std::uint32_t word(bytes_view octets, std::size_t at)
{
    std::uint32_t value = 0;
    std::memcpy(&value, octets.data() + at, sizeof value);
    return value;
}

} // namespace

TEST_CASE("a capture file starts with magic, version 2.4, snapshot length and Ethernet, in host order")
{
    const auto h = make_pcap_file_header();
    CHECK(word(h, 0) == 0xa1b2c3d4);
    CHECK(word(h, 4) == 0x00040002);
    CHECK(word(h, 8) == 0);
    CHECK(word(h, 12) == 0);
    CHECK(word(h, 16) == 65535);
    CHECK(word(h, 20) == 1);
}

TEST_CASE("a record keeps microseconds, what is captured and what there was")
{
    const auto h = make_pcap_record_header(1700000000s + 123456789ns, 70000);
    CHECK(word(h, 0) == 1700000000);
    CHECK(word(h, 4) == 123456);
    CHECK(word(h, 8) == 65535);
    CHECK(word(h, 12) == 70000);
    CHECK(pcap_captured(60) == 60);
}
