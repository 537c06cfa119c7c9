#include "proto/capture/filter_text.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace tapioca;
using bpf::instruction;

TEST_CASE("a filter's text is base64 of its instructions in network order")
{
    const instruction accept{0x0006, 0, 0, 0x00040000};
    std::array<char, 16> text{};
    REQUIRE(bpf::write_text({&accept, 1}, text) == 12);
    CHECK(std::string(text.data(), 12) == "AAYAAAAEAAA="); // python3: base64.b64encode(struct.pack("!HBBI", 6, 0, 0, 0x40000))
    CHECK(bpf::write_text({&accept, 1}, std::span{text}.first(11)) == 0);
}

TEST_CASE("filters of any length are read as they were written")
{
    for (const std::size_t length : {0UL, 1UL, 2UL, 3UL, 4UL, 100UL, bpf::longest_program}) {
        std::vector<instruction> program(length);
        for (std::size_t i = 0; i < length; ++i)
            program[i] = {static_cast<std::uint16_t>(i * 257), static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(~i),
                          static_cast<std::uint32_t>(i * 0x01030507)};
        std::string text(bpf::longest_text, '\0');
        text.resize(bpf::write_text(program, text));
        std::vector<instruction> read(bpf::longest_program);
        const auto count = bpf::read_text(text, read);
        REQUIRE(count == length);
        read.resize(length);
        CHECK(read == program);
    }
}

TEST_CASE("what is no filter's text, or too long, is refused")
{
    std::array<instruction, 2> room;
    for (const auto* wrong :
         {"AAYAAAAEAAA", "AAYAAAAEAA==", "AAYAAAAEAAB=", "AAYAAAAE", "AAY*AAAEAAA=", "====", "AAYAAAAEAA=A", "AAYA\nAAEAAA="})
        CHECK_FALSE(bpf::read_text(wrong, room));
    CHECK(bpf::read_text("", room) == 0U);
    CHECK(bpf::read_text("AAYAAAAEAAA=", room) == 1U);
    CHECK_FALSE(bpf::read_text("AAYAAAAEAAA=", {}));
}
