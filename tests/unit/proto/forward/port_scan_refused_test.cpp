#include "tests/support/scan_world.hpp"

using namespace tapioca;
using namespace tapioca::test::scan;

TEST_CASE("a refused port is not tried again until it vanishes on the other side")
{
    world w({all(tcp)}, {});
    w.privileged = {"host 0 tcp 80"};
    w.guest.tcp.set(80);
    w.guest.tcp.set(8080);
    CHECK(w.tick() == names{"host 0 tcp 8080"});
    CHECK(w.attempts == std::vector<std::string>{"host 0 tcp 80", "host 0 tcp 8080"});
    CHECK(w.settle() == names{"host 0 tcp 8080"});
    w.guest.tcp.reset(80);
    CHECK(w.settle() == names{"host 0 tcp 8080"});
    w.privileged.clear();
    w.guest.tcp.set(80);
    CHECK(w.settle() == names{"host 0 tcp 80", "host 0 tcp 8080"});
}

TEST_CASE("a refused port is tried once more when the port is given up on this side")
{
    world w({{tcp, 8080, 8089, 80}}, {});
    w.host.tcp.set(8080);
    w.guest.tcp.set(80);
    CHECK(w.tick().empty());
    CHECK(w.attempts.size() == 1);
    CHECK(w.settle().empty());
    w.host.tcp.reset(8080);
    CHECK(w.settle() == names{"host 0 tcp 8080"});
}

TEST_CASE("what is given up on one port or protocol is no reason to try another")
{
    world w({all(tcp)}, {});
    w.privileged = {"host 0 tcp 80"};
    w.host.tcp.set(81);
    w.host.udp.set(80);
    w.guest.tcp.set(80);
    w.tick();
    w.host = {};
    CHECK(w.settle().empty());
}

TEST_CASE("the same port bound on both sides: when one program ends, the other one is reachable from there")
{
    world w({all(tcp)}, {all(tcp)});
    w.host.tcp.set(3000);
    w.guest.tcp.set(3000);
    w.tick();
    CHECK(w.attempts.size() == 2);
    CHECK(w.settle().empty());
    w.guest.tcp.reset(3000);
    CHECK(w.settle() == names{"guest 0 tcp 3000"});
    w.host.tcp.reset(3000);
    CHECK(w.settle().empty());
}

TEST_CASE("a refusal may come late; after the port has vanished it means nothing")
{
    world w({all(tcp)}, {});
    w.guest.tcp.set(80);
    std::vector<scan_change> changes;
    const auto note = [&](const scan_change& c) { changes.push_back(c); };
    w.scan.update({}, w.guest, note);
    REQUIRE(changes.size() == 1);
    const auto opening = changes[0];
    w.scan.refused(opening);
    w.scan.update({}, w.guest, note);
    CHECK(changes.size() == 1);
    w.scan.update({}, {}, note); // nothing is open, so nothing is closed
    CHECK(changes.size() == 1);

    w.scan.update({}, w.guest, note);
    w.scan.update({}, {}, note);
    REQUIRE(changes.size() == 3);
    CHECK(changes[2].action == scan_action::close);
    w.scan.refused(opening);
    w.scan.update({}, w.guest, note);
    CHECK(changes.size() == 4);
}
