// The command line of `tapioca capture`, and what it makes of the blocks that an instance sends.
#include "daemon/client/tapioca_capture_blocks.hpp"
#include "daemon/client/tapioca_capture_options.hpp"
#include "daemon/client/tapioca_connection.hpp"
#include "daemon/config/early_exit.hpp"
#include "proto/capture/pcapng.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <random>
#include <string>
#include <vector>

using namespace tapioca;
using client::capture_command;
using test::octets;

namespace {

capture_command parsed_words(std::vector<const char*> words)
{
    words.insert(words.begin(), "capture");
    return client::parse_capture_command(words);
}

octets block_of(const octets& frame, std::string_view comment, std::uint64_t lost)
{
    const bytes_view pieces[] = {bytes_view{frame}};
    octets block(4096);
    block.resize(pcapng::write_frame(block, {.since_1970 = std::chrono::seconds{1'700'000'000},
                                             .way = pcapng::direction::out,
                                             .octets = {pieces, frame.size()},
                                             .length = frame.size() + 5,
                                             .lost = lost,
                                             .comment = comment}));
    return block;
}

const octets datagram = test::hex("9a559a559a55 0200000000aa 0800 4500002100000000401100000a000002 08080808 0044 0043 000d 0000"
                                  "6869746865");

} // namespace

TEST_CASE("options stand in front of the filter, and the process id in front or behind them")
{
    for (const auto& words :
         {std::vector<const char*>{"4711", "-w", "a", "udp", "port", "67"}, {"-w", "a", "4711", "udp", "port", "67"}}) {
        const auto made = parsed_words(words);
        CHECK(made.pid == 4711);
        CHECK(made.file == "a");
        CHECK(made.filter == "udp port 67");
    }
    const auto all = parsed_words({"--drops", "-s96", "-c", "7", "-Q", "out", "-wx", "-C", "2", "-W", "3", "--control", "/c",
                                   "tcp[0]", "-", "1", "=", "2"});
    CHECK(all.drops_only);
    CHECK((all.snapshot == 96 && all.count == 7 && all.direction == "out" && all.file_octets == 2'000'000 && all.files == 3));
    CHECK(all.path == "/c");
    CHECK(all.filter == "tcp[0] - 1 = 2");
    CHECK(parsed_words({}).filter.empty());
}

TEST_CASE("a command line that makes no sense ends with status 2")
{
    for (const auto& words : {std::vector<const char*>{"-s", "0"},
                              {"-s", "x"},
                              {"-c", "-1"},
                              {"-Q", "both"},
                              {"-C", "1"},
                              {"-w", "-", "-C", "1"},
                              {"-w", "a", "-W", "2"},
                              {"0"},
                              {"99999999999999"},
                              {"7", "--control", "/c"},
                              {"--control", ""},
                              {"--other"}})
        try {
            (void)parsed_words(words);
            FAIL("it makes no sense: " << words[0]);
        } catch (const early_exit& early) {
            CHECK(early.status == 2);
        }
}

TEST_CASE("a line says when, which way, how long, who, and why it was dropped")
{
    auto message = block_of(datagram, "", 0);
    const auto second = block_of(datagram, "drop_zero_port: port 0", 3);
    message.insert(message.end(), second.begin(), second.end());
    std::vector<std::string> lines;
    client::each_block(message, [&](std::uint32_t type, bytes_view block) {
        CHECK(type == client::frame_block);
        lines.push_back(client::line_of(client::read_frame(block)));
        return true;
    });
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].substr(8) == ".000000 out    52 udp 10.0.0.2:68 > 8.8.8.8:67\n");
    CHECK(lines[1].substr(8) ==
          ".000000 out    52 udp 10.0.0.2:68 > 8.8.8.8:67  drop_zero_port: port 0  (3 lost in front of it)\n");
    const auto odd = block_of(test::hex("9a559a559a55 0200000000aa 1234 00"), "", 0);
    CHECK(client::line_of(client::read_frame(odd)).find("ethertype 0x1234") != std::string::npos);
    CHECK(client::read_frame(block_of({}, "", 0)).octets.empty());
}

TEST_CASE("blocks that were damaged are refused or read, and nothing behind them is touched")
{
    std::mt19937 chance{16};
    for (int round = 0; round < 20000; ++round) {
        auto block = block_of(datagram, "drop_zero_port: port 0", 1);
        for (int i = 0; i < 3; ++i)
            block[chance() % block.size()] = static_cast<octet>(chance());
        block.resize(chance() % (block.size() + 1));
        const octets exact = block; // of its own size, for the sanitizers
        try {
            client::each_block(exact, [](std::uint32_t type, bytes_view each) {
                if (type == client::frame_block)
                    (void)client::line_of(client::read_frame(each));
                return true;
            });
        } catch (const client::control_failure&) {
        }
    }
    CHECK_THROWS_AS(client::each_block(octets(8), [](std::uint32_t, bytes_view) { return true; }), client::control_failure);
}
