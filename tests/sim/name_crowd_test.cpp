// Many queries of a guest to our name service, and few sockets for them.
#include "tests/sim/name_world.hpp"

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("flows whose queries are answered make room when the sockets are all in use; those that wait for an answer do not")
{
    name_world w({1});
    w.s.config.datagram_sockets = 10;
    w.set_resolvers({1}); // takes the configuration along
    w.ask(99, 3999);
    w.does[1] = silent;
    for (std::uint16_t i = 0; i < 3; ++i)
        w.ask(i, static_cast<std::uint16_t>(4000 + i));
    w.does[1] = answers;
    w.s.run_for(100ms);
    for (std::uint16_t i = 3; i < 60; ++i) {
        w.ask(i, static_cast<std::uint16_t>(4000 + i));
        w.s.run_for(20ms);
    }
    CHECK(w.got.size() == 61);
    CHECK(w.s.dropped(drop_reason::datagram_share) == 0);
    CHECK(w.s.udp->flow_count() <= 10);
    SECTION("but not more often than that costs nothing")
    {
        for (std::uint16_t i = 0; i < 60; ++i) {
            w.ask(i, static_cast<std::uint16_t>(5000 + i));
            w.s.run_for(1ms);
        }
        CHECK(w.s.dropped(drop_reason::datagram_share) > 30);
    }
}
