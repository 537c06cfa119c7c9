// Rules and programs by chance, in both directions: whatever happens, the sockets that are open are those that should be.
#include "tests/support/scan_world.hpp"

#include <random>

using namespace tapioca;
using namespace tapioca::test::scan;

namespace {

constexpr std::uint16_t lowest = 60, highest = 69; ///< few, so that rules meet; on both sides of a word's end

using source = std::minstd_rand;

std::uint16_t pick(source& chance, std::uint16_t first, std::uint16_t last)
{
    return static_cast<std::uint16_t>(first + chance() % (last - first + 1U));
}

/// Rules of one side that do not listen on the same port twice, as the command line demands; mostly onto the same ports.
std::vector<ports_of> random_rules(source& chance)
{
    std::vector<ports_of> rules;
    for (const auto protocol : {tcp, udp})
        for (std::uint16_t at = lowest; at <= highest;) {
            const auto last = pick(chance, at, highest);
            const auto target = chance() % 3 != 0 ? at : pick(chance, lowest, static_cast<std::uint16_t>(highest - (last - at)));
            if (chance() % 4 != 0)
                rules.push_back({protocol, at, last, target});
            at = static_cast<std::uint16_t>(last + 1);
        }
    return rules;
}

std::string name_of(rule_side side, std::size_t rule, octet protocol, std::uint16_t port)
{
    return std::string{side == rule_side::host ? "host " : "guest "} + std::to_string(rule) +
           (protocol == tcp ? " tcp " : " udp ") + std::to_string(port);
}

/// Every socket that is open leads to a program, and every program can be reached through each rule whose port is free.
void check(const world& w)
{
    for (const auto side : {rule_side::host, rule_side::guest}) {
        const auto& rules = side == rule_side::host ? w.host_rules : w.guest_rules;
        const auto& programs = side == rule_side::host ? w.guest : w.host;
        const auto there = w.read(side == rule_side::host ? rule_side::guest : rule_side::host), here = w.read(side);
        for (std::size_t i = 0; i < rules.size(); ++i)
            for (unsigned p = rules[i].first; p <= rules[i].last; ++p) {
                const auto port = static_cast<std::uint16_t>(p);
                const auto target = rules[i].target_port(port);
                const bool of_udp = rules[i].protocol == udp;
                const bool open = w.open.contains(name_of(side, i, rules[i].protocol, port));
                const bool program = (of_udp ? programs.udp : programs.tcp).test(target) || (of_udp && programs.tcp.test(target));
                INFO(name_of(side, i, rules[i].protocol, port) << " to " << target);
                if (open)
                    CHECK(program);
                // A socket of ours at the target, or anybody's on the port, is in the way.
                const auto& opened = of_udp ? there.udp : there.tcp;
                const bool ours = opened.test(target) && !(of_udp ? programs.udp : programs.tcp).test(target);
                if (program && !ours && !(of_udp ? here.udp : here.tcp).test(port))
                    CHECK(open);
            }
    }
}

} // namespace

TEST_CASE("whatever programs come and go, what is open leads to one of them, rests, and is complete")
{
    for (unsigned seed = 1; seed <= 60; ++seed) {
        source chance{seed};
        world w{random_rules(chance), random_rules(chance)};
        for (int step = 0; step < 60; ++step) {
            INFO("seed " << seed << " step " << step);
            for (auto changes = chance() % 4; changes != 0; --changes) {
                auto& side = chance() % 2 == 0 ? w.host : w.guest;
                auto& ports = chance() % 2 == 0 ? side.tcp : side.udp;
                const auto in_use = w.read(&side == &w.host ? rule_side::host : rule_side::guest);
                const auto port = pick(chance, lowest, highest);
                if (ports.test(port))
                    ports.reset(port);
                else if (!(&ports == &side.tcp ? in_use.tcp : in_use.udp).test(port))
                    ports.set(port); // a program cannot bind what we have
            }
            w.tick();
            w.tick();
            w.settle();
            check(w);
        }
        w.host = w.guest = {};
        CHECK(w.tick().empty());
        CHECK(w.settle().empty());
    }
}
