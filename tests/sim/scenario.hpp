// What scenarios have in common.
#pragma once

#include "tests/sim/simulation.hpp"
#include "tests/support/catch.hpp"

namespace tapioca::test {

using namespace std::chrono_literals;
using conversation = simulation::conversation;
using stage = guest_tcp::stage;

/// Every peer answers at once.
inline void peers_answer(simulation& s)
{
    s.kernel.on_connect = [](memory_socket&) { return 0; };
}

inline void check_no_complaints(const simulation& s)
{
    CHECK(s.complaints() == std::vector<std::string>{});
    CHECK(s.count(report::counter::tcp_stalls_recovered) == 0);
}

/// Both streams arrived whole, and nothing is left of any flow.
inline void check_end(simulation& s, conversation& c)
{
    check_no_complaints(s);
    CHECK(c.guest->received() == c.peer.to_send);
    CHECK(c.peer.received == c.guest->written());
    CHECK(s.nothing_left());
}

/// A conversation that stands; neither side has sent anything.
inline conversation& established(simulation& s)
{
    peers_answer(s);
    auto& c = s.guest_opens();
    REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
    s.run_for(1ms);
    return c;
}

/// A guest that has sent for so long to a peer that reads nothing.
inline conversation& stuck_upload(simulation& s, std::uint64_t octets, duration time)
{
    auto& c = established(s);
    c.peer.reads = false;
    c.guest->write(octets, s.now());
    s.run_for(time);
    return c;
}

/// Each side sends so many octets and its end, and both arrive.
inline void converse_to_end(simulation& s, conversation& c, std::uint64_t from_guest, std::uint64_t from_peer,
                            duration limit = 600s)
{
    c.guest->write(from_guest, s.now());
    c.guest->finish(s.now());
    c.peer.to_send += from_peer;
    c.peer.finish = true;
    CHECK(s.run_to_end(c, limit));
    check_end(s, c);
}

/// Keeps what the translator sends.
struct seen_segment {
    instant when;
    wire::tcp_segment s;
    [[nodiscard]] bool only(octet flags) const { return s.flags == flags; }
};
class segment_log {
public:
    explicit segment_log(simulation& s)
    {
        s.on_segment_to_guest = [this](const wire::tcp_segment& seg, instant when) { all.push_back({when, seg}); };
    }
    [[nodiscard]] std::size_t count(octet flags) const
    {
        return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& x) { return x.only(flags); }));
    }
    std::vector<seen_segment> all; ///< payloads are gone: only their sizes mean something
};

} // namespace tapioca::test
