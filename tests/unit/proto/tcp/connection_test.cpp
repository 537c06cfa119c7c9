// Parts of a connection that no simulated guest brings about at will.
#include "proto/tcp/connection.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace tapioca::tcp;
using namespace std::chrono_literals;

namespace {

constexpr instant start{1h};

/// A peer's connection that the guest accepted with a window of 1000 octets.
connection accepted()
{
    connection c;
    static_cast<void>(c.open_to_guest(seq_number{100}, 1460, start));
    static_cast<void>(
        c.on_segment({.seq = seq_number{500}, .ack = seq_number{101}, .window = 1000, .syn = true, .has_ack = true}, start));
    REQUIRE(c.state == tcp_state::established);
    return c;
}

} // namespace

TEST_CASE("segments without octets carry the highest number that was sent, also after a rewind")
{
    connection c;
    static_cast<void>(c.open_to_guest(seq_number{100}, 1460, start));
    CHECK(c.control_seq() == seq_number{101});
    c = accepted();
    c.on_sent(800, start);
    CHECK(c.control_seq() == seq_number{901});
    REQUIRE(c.on_timeout(start + 10s).has(effect::rewind));
    REQUIRE(c.snd_nxt == seq_number{101});
    CHECK(c.control_seq() == seq_number{901});
}

TEST_CASE("segments without octets stay inside a window that has shrunk")
{
    auto c = accepted();
    c.on_sent(800, start);
    const auto shrunk = [&](std::uint16_t window) {
        static_cast<void>(
            c.on_segment({.seq = seq_number{501}, .ack = seq_number{301}, .window = window, .has_ack = true}, start));
        return c.control_seq();
    };
    CHECK(shrunk(700) == seq_number{901});
    CHECK(shrunk(100) == seq_number{401});
    CHECK(shrunk(0) == seq_number{301});
}
