#include "tests/support/scan_world.hpp"

using namespace tapioca;
using namespace tapioca::test::scan;

TEST_CASE("a port is opened while the other side has it bound")
{
    world w({all(tcp)}, {});
    CHECK(w.settle().empty());
    w.guest.tcp.set(8080);
    CHECK(w.settle() == names{"host 0 tcp 8080"});
    w.guest.tcp.set(1);
    w.guest.tcp.set(65535);
    CHECK(w.settle() == names{"host 0 tcp 1", "host 0 tcp 8080", "host 0 tcp 65535"});
    w.guest.tcp.clear();
    CHECK(w.settle().empty());
    w.guest.tcp.set(8080);
    CHECK(w.settle() == names{"host 0 tcp 8080"});
}

TEST_CASE("rules of the guest look at the host")
{
    world w({}, {all(tcp), all(udp)});
    w.guest.tcp.set(22);
    w.host.tcp.set(5432);
    w.host.udp.set(5353);
    CHECK(w.settle() == names{"guest 0 tcp 5432", "guest 1 udp 5353", "guest 1 udp 5432"});
}

TEST_CASE("what listens for TCP is forwarded by UDP as well, but not the other way round")
{
    world w({all(tcp), all(udp)}, {});
    w.guest.tcp.set(5201);
    w.guest.udp.set(53);
    CHECK(w.settle() == names{"host 0 tcp 5201", "host 1 udp 5201", "host 1 udp 53"});
    w.guest.tcp.reset(5201);
    CHECK(w.settle() == names{"host 1 udp 53"});
}

TEST_CASE("UDP alone is forwarded for TCP listeners, without TCP being forwarded")
{
    world w({all(udp)}, {});
    w.guest.tcp.set(5201);
    CHECK(w.settle() == names{"host 0 udp 5201"});
}

TEST_CASE("a port is opened once for TCP and UDP bound together, and closed when both are gone")
{
    world w({all(udp)}, {});
    w.guest.tcp.set(5201);
    w.guest.udp.set(5201);
    CHECK(w.settle() == names{"host 0 udp 5201"});
    w.guest.tcp.reset(5201);
    CHECK(w.settle() == names{"host 0 udp 5201"});
    w.guest.udp.reset(5201);
    CHECK(w.settle().empty());
}

TEST_CASE("a rule without scan is left alone")
{
    world w({{tcp, 80, 90, 80, false}, {tcp, 8080, 8089, 80}}, {});
    w.guest.tcp.set(80);
    CHECK(w.settle() == names{"host 1 tcp 8080"});
    CHECK(scan_state::words_for(rules_of({{tcp, 1, 65535, 1, false}})) == 0);
}

TEST_CASE("exclusions split a specifier into rules; ports between them stay closed")
{
    // -t auto,~22,~1000-1999
    world w({{tcp, 1, 21, 1}, {tcp, 23, 999, 23}, {tcp, 2000, 65535, 2000}}, {});
    for (const std::uint16_t p : std::vector<std::uint16_t>{1, 21, 22, 23, 999, 1000, 1500, 1999, 2000, 65535})
        w.guest.tcp.set(p);
    CHECK(w.settle() ==
          names{"host 0 tcp 1", "host 0 tcp 21", "host 1 tcp 23", "host 1 tcp 999", "host 2 tcp 2000", "host 2 tcp 65535"});
}

TEST_CASE("every range maps every port, wherever it lies in the words of a set")
{
    for (const std::uint16_t first : std::vector<std::uint16_t>{1, 60, 63, 64, 65, 127, 8000})
        for (const std::uint16_t target : std::vector<std::uint16_t>{1, 62, 63, 64, 65, 128, 9000})
            for (const unsigned count : {1U, 2U, 63U, 64U, 65U, 130U}) {
                const auto last = static_cast<std::uint16_t>(first + count - 1);
                world w({{tcp, first, last, target}}, {});
                names expected;
                for (unsigned i = 0; i < count; ++i)
                    expected.insert("host 0 tcp " + std::to_string(first + i));
                for (unsigned p = 1; p < 65536; ++p)
                    w.guest.tcp.set(static_cast<std::uint16_t>(p));
                REQUIRE(w.tick() == expected);
                w.guest.tcp.clear();
                w.guest.tcp.set(static_cast<std::uint16_t>(target + count - 1));
                REQUIRE(w.tick() == names{"host 0 tcp " + std::to_string(last)});
            }
}

TEST_CASE("mapped ranges reach up to the last port")
{
    world w({{tcp, 101, 200, 65436}, {udp, 65436, 65535, 1}}, {});
    w.guest.tcp.set(65535);
    w.guest.tcp.set(65436);
    w.guest.tcp.set(65435);
    w.guest.udp.set(100);
    w.guest.udp.set(101);
    CHECK(w.settle() == names{"host 0 tcp 101", "host 0 tcp 200", "host 1 udp 65535"});
}

TEST_CASE("rules with one target open a port each")
{
    world w({{tcp, 8080, 8080, 80}, {tcp, 9090, 9090, 80}}, {});
    w.guest.tcp.set(80);
    CHECK(w.settle() == names{"host 0 tcp 8080", "host 1 tcp 9090"});
}

TEST_CASE("two rules with the same ports on different addresses open both")
{
    world w({{tcp, 80, 80, 80}, {tcp, 80, 80, 80}}, {});
    w.guest.tcp.set(80);
    std::vector<std::size_t> rules;
    w.scan.update({}, w.guest, [&](const scan_change& c) { rules.push_back(c.rule); });
    CHECK(rules == std::vector<std::size_t>{0, 1});
}

TEST_CASE("what is closed comes before what is opened")
{
    world w({{tcp, 80, 80, 80}, {tcp, 81, 81, 81}}, {});
    w.guest.tcp.set(81);
    w.tick();
    w.guest.tcp.reset(81);
    w.guest.tcp.set(80);
    std::vector<scan_action> actions;
    w.scan.update({}, w.guest, [&](const scan_change& c) { actions.push_back(c.action); });
    CHECK(actions == std::vector{scan_action::close, scan_action::open});
}

TEST_CASE("only what matters is read")
{
    CHECK_FALSE(world({{tcp, 1, 10, 1, false}}, {}).scan.needs(rule_side::guest, tcp));
    const world tcp_to_guest({all(tcp)}, {});
    CHECK(tcp_to_guest.scan.needs(rule_side::guest, tcp));
    CHECK(tcp_to_guest.scan.needs(rule_side::host, tcp)); // in the way
    CHECK_FALSE(tcp_to_guest.scan.needs(rule_side::guest, udp));
    CHECK_FALSE(tcp_to_guest.scan.needs(rule_side::host, udp));
    const world udp_to_host({}, {all(udp)});
    CHECK(udp_to_host.scan.needs(rule_side::host, udp));
    CHECK(udp_to_host.scan.needs(rule_side::host, tcp)); // counts for UDP
    CHECK(udp_to_host.scan.needs(rule_side::guest, udp));
    CHECK_FALSE(udp_to_host.scan.needs(rule_side::guest, tcp));
}

TEST_CASE("memory is asked for by the target ports that a rule spans")
{
    CHECK(scan_state::words_for(rules_of({all(tcp)})) == 1024);
    CHECK(scan_state::words_for(rules_of({{tcp, 1, 1, 63}})) == 1);
    CHECK(scan_state::words_for(rules_of({{tcp, 1, 2, 63}})) == 2);
    CHECK(scan_state::words_for(rules_of({{tcp, 1, 2, 63}, {udp, 1, 1, 1}, {udp, 2, 9, 2, false}})) == 3);
}

TEST_CASE("every port of all four kinds of rules at once")
{
    world w({all(tcp), all(udp)}, {all(tcp), all(udp)});
    bound_ports everything;
    for (unsigned p = 0; p < 65536; ++p)
        everything.tcp.set(static_cast<std::uint16_t>(p));
    std::size_t opened = 0, closed = 0;
    const auto count = [&](const scan_change& c) {
        CHECK(c.port != 0);
        ++(c.action == scan_action::open ? opened : closed);
    };
    w.scan.update({}, everything, count);
    CHECK(opened == 2 * 65535);
    w.scan.update({}, {}, count);
    CHECK(closed == 2 * 65535);
}
