#include "tests/sim/simulation.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca;
using namespace tapioca::test;
using namespace std::chrono_literals;

namespace {

/// The peer is there at once.
void answer_connects(simulation& s)
{
    s.kernel.on_connect = [](memory_socket&) { return 0; };
}

void check_end(const simulation& s)
{
    CHECK(s.complaints() == std::vector<std::string>{});
    CHECK(s.nothing_left());
}

} // namespace

TEST_CASE("a guest connects, both send, both end")
{
    for (const bool v6 : {false, true}) {
        simulation s{{.v6 = v6}};
        answer_connects(s);
        auto& c = s.guest_opens();
        c.guest->write(100'000, s.now());
        c.guest->finish(s.now());
        c.peer.to_send = 300'000;
        c.peer.finish = true;
        CHECK(s.run_to_end(c));
        CHECK(c.guest->received() == 300'000);
        CHECK(c.peer.received == 100'000);
        check_end(s);
    }
}
