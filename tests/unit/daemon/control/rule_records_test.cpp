#include "daemon/control/rule_records.hpp"

#include "daemon/control/rule_listing.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <cerrno>

namespace tapioca {
namespace {

forward_rule rule(std::uint16_t port, std::uint16_t target)
{
    forward_rule made;
    made.protocol = wire::protocol_tcp;
    made.first = made.last = port;
    made.target_first = target;
    return made;
}

forward_rules table(std::initializer_list<forward_rule> rules)
{
    forward_rules made;
    for (const auto& r : rules)
        made.push_back(r);
    return made;
}

/// Rules of the host that change as planes would have it.
struct changing {
    forward_rules now = table({rule(80, 80), rule(81, 81)});
    rule_records records{now, {}, {}};
    report::rule_totals counted{};

    void become(const forward_rules& wanted, std::string_view owner, std::vector<refused_ports> refused = {})
    {
        const auto change = change_table(now, wanted);
        REQUIRE(change);
        records.follow(rule_side::host, now, *change, refused, owner, [this](rule_side, std::size_t) { return counted; });
        now = change->next;
    }
    const rule_record& of(std::size_t slot) { return records.of(rule_side::host, slot); }
};

TEST_CASE("rules of the start have ids in their order, those of the host first")
{
    const rule_records records{table({rule(80, 80)}), table({rule(90, 90)}), {}};
    CHECK(records.of(rule_side::host, 0).id == 1);
    CHECK(records.of(rule_side::guest, 0).id == 2);
    CHECK(records.of(rule_side::guest, 0).owner == "command line");
}

TEST_CASE("a rule that stays keeps id and owner, and a new one has its own")
{
    changing c;
    c.become(table({rule(81, 81), rule(82, 82)}), "me");
    CHECK(c.of(1).id == 2);
    CHECK(c.of(1).owner == "command line");
    CHECK(c.of(2).id == 3);
    CHECK(c.of(2).owner == "me");
}

TEST_CASE("a rule that leads elsewhere is another one, in the same slot")
{
    changing c;
    c.counted.flows = 7;
    c.become(table({rule(80, 8080), rule(81, 81)}), "me");
    CHECK(c.of(0).id == 3);
    CHECK(c.of(0).owner == "me");
    CHECK(c.of(0).before.flows == 7);
    CHECK(c.of(1).before.flows == 0);
}

TEST_CASE("an id is not given again when slots are")
{
    changing c;
    std::uint64_t last = 2;
    for (int n = 0; n < 600; ++n) {
        c.become(table({rule(static_cast<std::uint16_t>(100 + n % 2), 80)}), "me");
        std::uint64_t greatest = 0;
        for (std::size_t slot = 0; slot < c.now.size(); ++slot)
            greatest = std::max(greatest, c.of(slot).id);
        CHECK(greatest == ++last);
    }
}

TEST_CASE("ports that were refused are kept with their rule")
{
    changing c;
    c.become(table({rule(80, 80), rule(82, 82)}), "me", {{rule_side::host, 2, 82, 82, EADDRINUSE}});
    REQUIRE(c.of(2).refused.size() == 1);
    CHECK(c.of(2).refused[0].error == EADDRINUSE);
    c.become(table({rule(82, 8282)}), "me"); // the same sockets
    CHECK(c.of(2).refused.size() == 1);
}

TEST_CASE("refused ports behind each other with one reason are one range")
{
    std::vector<refused_ports> refused;
    const auto note = [&](std::uint8_t slot, std::uint16_t port, int error) {
        note_refused(refused, {rule_side::host, slot, port, wire::protocol_tcp}, error);
    };
    note(0, 80, EACCES);
    note(0, 81, EACCES);
    note(0, 82, EADDRINUSE);
    note(0, 84, EADDRINUSE);
    note(1, 85, EADDRINUSE);
    REQUIRE(refused.size() == 4);
    CHECK(refused[0].first == 80);
    CHECK(refused[0].last == 81);
}

TEST_CASE("ports are listed as options have them, and not all of very many")
{
    const std::vector<port_range> some{{1, 79}, {81, 81}, {90, 91}};
    CHECK(text_of(some, 3) == "1-79,81,90-91");
    CHECK(text_of(some, 2) == "1-79,81,...");
    CHECK(text_of({}, 2).empty());
}

} // namespace
} // namespace tapioca
