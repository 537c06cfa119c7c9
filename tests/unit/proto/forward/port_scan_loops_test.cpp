#include "tests/support/scan_world.hpp"

using namespace tapioca;
using namespace tapioca::test::scan;

TEST_CASE("both directions on auto: a port that one program binds is opened on the other side only")
{
    for (const auto protocol : {tcp, udp}) {
        world w({all(tcp), all(udp)}, {all(tcp), all(udp)});
        auto& bound = protocol == tcp ? w.guest.tcp : w.guest.udp;
        bound.set(3000);
        const auto while_bound = w.settle();
        CHECK(while_bound == (protocol == tcp ? names{"host 0 tcp 3000", "host 1 udp 3000"} : names{"host 1 udp 3000"}));
        bound.reset(3000);
        CHECK(w.settle().empty());

        auto& on_host = protocol == tcp ? w.host.tcp : w.host.udp;
        on_host.set(3000);
        CHECK(w.settle() == (protocol == tcp ? names{"guest 0 tcp 3000", "guest 1 udp 3000"} : names{"guest 1 udp 3000"}));
        on_host.reset(3000);
        CHECK(w.settle().empty());
    }
}

TEST_CASE("both directions on auto: a program that moves from one side to the other is followed")
{
    world w({all(tcp), all(udp)}, {all(tcp), all(udp)});
    w.guest.tcp.set(3000);
    w.settle();
    w.guest.tcp.reset(3000);
    w.host.tcp.set(3001);
    CHECK(w.settle() == names{"guest 0 tcp 3001", "guest 1 udp 3001"});
}

TEST_CASE("both directions on auto: the same TCP port bound on both sides carries datagrams one way, not in circles")
{
    world w({all(tcp), all(udp)}, {all(tcp), all(udp)});
    w.guest.tcp.set(3000);
    w.host.tcp.set(3000);
    CHECK(w.settle() == names{"host 1 udp 3000"});
}

TEST_CASE("both directions on auto with mapped ports do not feed each other")
{
    world w({{tcp, 8000, 8999, 9000}}, {{tcp, 9000, 9999, 8000}});
    w.guest.tcp.set(9005);
    CHECK(w.settle() == names{"host 0 tcp 8005"});
    w.guest.tcp.reset(9005);
    CHECK(w.settle().empty());

    // A chain: host 100 to guest 200, guest 200 to host 300; a program on port 300 of the host is enough for the guest's socket,
    // which must not be enough for another one on the host.
    world chain({{tcp, 100, 100, 200}}, {{tcp, 200, 200, 300}});
    chain.host.tcp.set(300);
    CHECK(chain.settle() == names{"guest 0 tcp 200"});
}

TEST_CASE("a socket that is closed in this scan does not count as somebody else's")
{
    world w({all(tcp)}, {all(tcp)});
    w.guest.tcp.set(3000);
    w.settle();
    w.guest.tcp.reset(3000);
    w.tick(); // the ports that were read still had our socket on the host's port 3000
    CHECK(w.open.empty());
    CHECK(w.attempts.empty());
}

TEST_CASE("sockets of rules that do not scan are ours, too")
{
    world w({all(tcp), all(udp)}, {{tcp, 5000, 5000, 5000, false}, {udp, 6000, 6000, 6000, false}});
    w.scan.add_fixed(rule_side::guest, tcp, 5000);
    w.scan.add_fixed(rule_side::guest, udp, 6000);
    w.guest.tcp.set(5000); // our own
    w.guest.udp.set(6000);
    CHECK(w.settle().empty());
    w.guest.udp.set(5000); // a program's
    w.guest.tcp.set(6000);
    CHECK(w.settle() == names{"host 0 tcp 6000", "host 1 udp 5000"});
}

TEST_CASE("fixed sockets on one side say nothing about the other")
{
    world w({all(tcp)}, {});
    w.scan.add_fixed(rule_side::host, tcp, 5000);
    w.guest.tcp.set(5000);
    w.tick();
    CHECK(w.attempts == std::vector<std::string>{"host 0 tcp 5000"});
}
