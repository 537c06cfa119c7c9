// Blocks as the draft lays them out, octet by octet, on a machine whose low octet comes first.
#include "proto/capture/pcapng.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <bit>

using namespace tapioca;
using test::octets;

namespace {

template <class Write>
octets written(Write write, std::size_t room = 4096)
{
    octets into(room, 0xee);
    into.resize(write(bytes_span{into}));
    return into;
}

static_assert(std::endian::native == std::endian::little);

} // namespace

TEST_CASE("the beginning of a file: a section, an interface")
{
    const auto all = written([](bytes_span into) { return pcapng::write_beginning(into, "tapioca", "pasta 17", 128); });
    CHECK(all == test::hex("0a0d0d0a 2c000000 4d3c2b1a 0100 0000 ffffffffffffffff"
                           "0400 0700 746170696f6361 00  0000 0000 2c000000"
                           "01000000 2c000000 0100 0000 80000000"
                           "0200 0800 7061737461203137  0900 0100 09 000000  0000 0000 2c000000"));
}

TEST_CASE("a frame in pieces, with its direction")
{
    const octets first = test::hex("000102"), second = test::hex("0304050607");
    const bytes_view pieces[] = {bytes_view{first}, bytes_view{second}};
    const auto all = written([&](bytes_span into) {
        return pcapng::write_frame(into, {.since_1970 = duration{0x0102030405060708}, .octets = {pieces, 5}, .length = 60});
    });
    CHECK(all == test::hex("06000000 34000000 00000000 04030201 08070605 05000000 3c000000 0001020304 000000"
                           "0200 0400 01000000  0000 0000 34000000"));
}

TEST_CASE("a frame behind some that were lost, with the reason why it was dropped")
{
    const octets frame = test::hex("0a0b0c0d");
    const bytes_view pieces[] = {bytes_view{frame}};
    const auto all = written([&](bytes_span into) {
        return pcapng::write_frame(
            into, {.way = pcapng::direction::out, .octets = {pieces, 4}, .length = 4, .lost = 3, .comment = "why"});
    });
    CHECK(all == test::hex("06000000 44000000 00000000 00000000 00000000 04000000 04000000 0a0b0c0d"
                           "0200 0400 02000000  0400 0800 0300000000000000  0100 0300 776879 00  0000 0000 44000000"));
}

TEST_CASE("what is known at the end")
{
    const auto all = written([](bytes_span into) { return pcapng::write_statistics(into, duration{1}, 9, 2); });
    CHECK(all == test::hex("05000000 34000000 00000000 00000000 01000000"
                           "0400 0800 0900000000000000  0500 0800 0200000000000000  0000 0000 34000000"));
}

TEST_CASE("what does not fit is not written, and what fits needs no more than it says")
{
    const octets frame(1001);
    const bytes_view pieces[] = {bytes_view{frame}};
    const std::string long_comment(5000, 'x');
    const auto write = [&](bytes_span into) {
        return pcapng::write_frame(into, {.octets = {pieces, 1001}, .length = 1001, .lost = 1, .comment = long_comment});
    };
    const auto size = written(write).size();
    CHECK(size <= frame.size() + pcapng::most_overhead);
    CHECK(written(write, size).size() == size);
    for (const std::size_t room : {std::size_t{0}, std::size_t{3}, std::size_t{11}, std::size_t{1000}, size - 1})
        CHECK(written(write, room).empty());
}
