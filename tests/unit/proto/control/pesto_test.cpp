#include "proto/control/pesto.hpp"

#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"
#include "tests/unit/proto/control/pesto_recorded.hpp"

#include <memory>
#include <string>

using namespace tapioca;
using namespace tapioca::pesto;
using namespace tapioca::test;

namespace {

using texts = std::vector<std::string>;
using message = decoder::message;
using state = decoder::state;

texts texts_of(const forward_rules& rules)
{
    texts all;
    for (const auto& rule : rules)
        all.emplace_back(text_of(rule).view());
    return all;
}

/// A decoder with the list that it fills; the list is large.
struct reading {
    explicit reading(message expected, octets of_ids = {}) : pifs(std::make_unique<pif_list>())
    {
        for (const octet id : of_ids) {
            pifs->push_back({});
            pifs->back().id = id;
        }
        in.emplace(expected, *pifs);
    }
    state take(bytes_view all, std::size_t piece = 65536)
    {
        while (!all.empty() && in->now() == state::unfinished) {
            taken += in->take(all.first(std::min(piece, all.size())));
            all = all.subspan(std::min(piece, all.size()));
        }
        return in->now();
    }
    std::unique_ptr<pif_list> pifs;
    std::optional<decoder> in;
    std::size_t taken = 0;
};

octets zeros(std::size_t count) { return octets(count, 0); }

octets rule_octets(std::string_view behind_the_interface) { return zeros(48) + hex(behind_the_interface); }

/// A table of HOST with these rules, and the end.
octets tables_with(const octets& rules) { return hex("01 00000001") + rules + hex("00"); }

std::string refusal_of_rule(const octets& rule)
{
    reading r{message::tables, {host_id}};
    return r.take(tables_with(rule)) == state::refused ? std::string{text_of(r.in->why()).view()} : "";
}

std::string refusal_of_greeting(const octets& greeting)
{
    reading r{message::greeting};
    return r.take(greeting) == state::refused ? std::string{text_of(r.in->why()).view()} : "";
}

octets written(std::optional<refusal> (*put)(writer&, const pif_list&) noexcept, const pif_list& pifs)
{
    octets room(longest_message);
    writer out{room};
    CHECK_FALSE(put(out, pifs));
    CHECK_FALSE(out.full());
    return copy(out.written());
}

} // namespace

TEST_CASE("pasta's greeting, as recorded, in pieces of any size, and written again octet by octet")
{
    const auto octets = hex(recorded::pasta_greeting);
    for (const std::size_t piece : {1U, 2U, 19U, 20U, 21U, 56U, 137U, 5000U}) {
        reading r{message::greeting};
        REQUIRE(r.take(octets, piece) == state::complete);
        CHECK(r.taken == octets.size());
        const auto& pifs = *r.pifs;
        REQUIRE(pifs.size() == 2);
        CHECK(pifs[0].id == host_id);
        CHECK(pifs[0].name.view() == "HOST");
        CHECK(pifs[0].capabilities == 0x3f);
        CHECK(texts_of(pifs[0].rules) == texts{"TCP [*]:8000  =>  8000", "TCP [0.0.0.0]:8001  =>  10.1.2.3:80",
                                               "TCP [::]:8002  =>  fc00::2:8002", "TCP [127.0.0.1]%lo:8003  =>  8003",
                                               "TCP [127.0.0.1]%lo:8005  =>  8005", "UDP [2001:db8::2]:9000-9001  =>  7000-7001",
                                               "UDP [*]:60000-65535  =>  60000-65535  (auto-scan)"});
        CHECK(pifs[1].id == splice_id);
        CHECK(pifs[1].name.view() == "SPLICE");
        CHECK(texts_of(pifs[1].rules) ==
              texts{"TCP [*]%lo:2200  =>  2200", "UDP [*]%lo:65001-65535  =>  65001-65535  (best effort) (auto-scan)"});
        CHECK(written(put_greeting, pifs) == octets);
    }
}

TEST_CASE("what pesto sends to pasta, as recorded")
{
    const auto octets = hex(recorded::tables_for_pasta);
    reading r{message::tables, {host_id, splice_id}};
    REQUIRE(r.take(octets, 3) == state::complete);
    const auto& rules = (*r.pifs)[0].rules;
    REQUIRE(rules.size() == 8);
    CHECK(text_of(rules[5]).view() == "TCP [*]%eth0:8080  =>  80");
    CHECK(text_of(rules[6]).view() == "UDP [127.0.0.2]:1-49  =>  1-49");
    CHECK((*r.pifs)[1].rules.size() == 2);
    CHECK(written(put_tables, *r.pifs) == octets);
}

TEST_CASE("passt has no SPLICE and no scan")
{
    reading greeting{message::greeting};
    REQUIRE(greeting.take(hex(recorded::passt_greeting)) == state::complete);
    REQUIRE(greeting.pifs->size() == 1);
    CHECK((*greeting.pifs)[0].capabilities == (0x3f & ~capability::scan));
    CHECK(written(put_greeting, *greeting.pifs) == hex(recorded::passt_greeting));
    decoder tables{message::tables, *greeting.pifs};
    CHECK(tables.take(hex(recorded::tables_for_passt)) == hex(recorded::tables_for_passt).size());
    CHECK(tables.now() == state::complete);
    CHECK(texts_of((*greeting.pifs)[0].rules) == texts{"UDP [*]:53  =>  53"});
}

TEST_CASE("a message that is cut anywhere is unfinished, and nothing behind its end is taken")
{
    const auto octets = hex(recorded::pasta_greeting);
    for (std::size_t size = 0; size < octets.size(); size += 7) {
        reading r{message::greeting};
        CHECK(r.take(bytes_view{octets}.first(size)) == state::unfinished);
        CHECK(r.in->greeted() == (size >= sizeof(pesto::wire::greeting)));
    }
    reading r{message::greeting};
    CHECK(r.take(octets + hex("010203")) == state::complete);
    CHECK(r.taken == octets.size());
}

TEST_CASE("an interface that the client leaves out has no rules, one that it names twice has both")
{
    const auto rule = rule_octets("0050 0050 0050 06 01"), other = rule_octets("0051 0051 0051 06 01");
    reading r{message::tables, {host_id, splice_id}};
    (*r.pifs)[1].rules.push_back({});
    r.in.emplace(message::tables, *r.pifs);
    REQUIRE(r.take(hex("01 00000001") + rule + hex("01 00000001") + other + hex("00")) == state::complete);
    CHECK(texts_of((*r.pifs)[0].rules) == texts{"TCP [*]:80  =>  80", "TCP [*]:81  =>  81"});
    CHECK((*r.pifs)[0].rules[1].group == 1);
    CHECK((*r.pifs)[1].rules.empty());
}

TEST_CASE("what a specifier left of all ports is one group again")
{
    const auto rule = [](std::string_view text) { return rule_octets(text); };
    reading r{message::tables, {host_id}};
    REQUIRE(r.take(hex("01 00000005") + rule("0001 0063 0001 06 03") + rule("0065 7fff 0065 06 03") +
                   rule("8000 8001 8000 11 03") + rule("9000 9000 9000 11 01") + rule("9001 9001 9001 11 01") + hex("00")) ==
            state::complete);
    const auto& rules = (*r.pifs)[0].rules;
    CHECK(rules[0].group == 0);
    CHECK(rules[1].group == 0);
    CHECK(rules[2].group == 2);
    CHECK(rules[3].group == 3);
    CHECK(rules[4].group == 4);
}

TEST_CASE("a greeting that is none of ours is refused with what is wrong with it")
{
    const auto magic = hex("626173696c3a7300"), sizes = hex("00000080 00000010"), version = hex("00000002");
    CHECK(refusal_of_greeting(hex("626173696c3a7800") + version + sizes) == "Bad magic number from server");
    CHECK(refusal_of_greeting(magic + hex("00000003") + sizes) == "Unknown server protocol version 3 > 2");
    CHECK(refusal_of_greeting(magic + hex("00000001") + sizes) == "Unknown server protocol version 1 < 2");
    CHECK(refusal_of_greeting(magic + hex("00000000") + sizes) == "Unsupported experimental server protocol");
    CHECK(refusal_of_greeting(magic + version + hex("00000040 00000010")) == "Server has unexpected pif name size (64 not 128)");
    CHECK(refusal_of_greeting(magic + version + hex("00000080 ffffffff")) ==
          "Server has unexpected IFNAMSIZ (4294967295 not 16)");
    const auto head = magic + version + sizes;
    const auto pif = text("HOST") + zeros(124) + hex("0000003f 00000000");
    CHECK(refusal_of_greeting(head + hex("01") + pif + hex("01") + pif) == "Received duplicate interface identifier");
    CHECK(refusal_of_greeting(head + hex("01") + pif + hex("02") + pif + hex("03") + pif + hex("04")) ==
          "passt has more pifs than pesto can manage (max 3)");
    CHECK(refusal_of_greeting(head + hex("01") + octets(128, 'x') + hex("0000003f 00000000")) ==
          "Interface name was not NULL terminated");
    CHECK(refusal_of_greeting(head + hex("01") + text("HO\nST") + zeros(123) + hex("0000003f 00000000")) != "");
    CHECK(refusal_of_greeting(head + hex("01") + text("HOST") + zeros(124) + hex("0000003f 00000100")) ==
          "Received 256 rules (maximum 255)");
}

TEST_CASE("a rule that nobody can mean is refused with what is wrong with it")
{
    CHECK(refusal_of_rule(rule_octets("0050 0050 0050 06 01")) == "");
    CHECK(refusal_of_rule(rule_octets("0000 0050 0050 06 01")) == "Forwarding rule attempts to map from port 0");
    CHECK(refusal_of_rule(rule_octets("0050 004f 0050 06 01")) == "Rule has invalid port range 80-79");
    CHECK(refusal_of_rule(rule_octets("0050 0050 0000 06 01")) == "Forwarding rule attempts to map to port 0");
    CHECK(refusal_of_rule(rule_octets("0001 0002 ffff 06 01")) == "Forwarding rule attempts to map to port 0");
    CHECK(refusal_of_rule(rule_octets("0001 0002 fffe 11 01")) == "");
    CHECK(refusal_of_rule(rule_octets("0050 0050 0050 01 01")) == "Unsupported protocol 0x1 for forwarding rule");
    CHECK(refusal_of_rule(rule_octets("0050 0050 0050 06 81")) == "Rule has invalid flags 0x80");
    CHECK(refusal_of_rule(zeros(10) + hex("ffff 7f000001") + zeros(32) + hex("0050 0050 0050 06 01")) ==
          "Dual stack rule has non-wildcard address 127.0.0.1");
    CHECK(refusal_of_rule(zeros(32) + octets(16, 'x') + hex("0050 0050 0050 06 01")) == "Interface name was not NULL terminated");
    for (const auto* name : {"..", "a/b", "a b", "a\033[2J"})
        CHECK(refusal_of_rule(zeros(32) + text(name) + zeros(16 - std::string_view{name}.size()) + hex("0050 0050 0050 06 01")) ==
              "Rule has an invalid interface name");
    CHECK(refusal_of_rule(zeros(32) + text("lo") + hex("00 7878") + zeros(11) + hex("0050 0050 0050 06 01")) == "");
}

TEST_CASE("tables of an interface that was not offered, and too many rules, are refused")
{
    reading unknown{message::tables, {host_id}};
    CHECK(unknown.take(hex("03")) == state::refused);
    CHECK(text_of(unknown.in->why()).view() == "Received rules for non-existent table");
    reading many{message::tables, {host_id}};
    octets table = hex("01 000000ff");
    for (unsigned i = 0; i < 255; ++i)
        table = table + rule_octets("0050 0050 0050 06 01");
    CHECK(many.take(table) == state::unfinished);
    CHECK(many.take(hex("01 00000001")) == state::refused);
    CHECK(many.in->take(hex("00")) == 0);
}

TEST_CASE("rules of ours that the wire cannot say are refused, and the others come back as they were")
{
    pesto::wire::rule on_wire{};
    forward_rule rule{.protocol = tapioca::wire::protocol_tcp, .first = 80, .last = 81, .target_first = 8080};
    forward_rule back;
    REQUIRE_FALSE(to_wire(rule, on_wire));
    REQUIRE_FALSE(from_wire(on_wire, back));
    CHECK(same(rule, back));
    rule.stack = listen_stack::ipv4; // of any address
    REQUIRE_FALSE(to_wire(rule, on_wire));
    REQUIRE_FALSE(from_wire(on_wire, back));
    CHECK(back.address == ip_address::v4(0));
    CHECK(same(rule, back));
    rule.address = ip_address::v6({0xfc00, 0, 0, 0, 0, 0, 0, 1});
    CHECK(to_wire(rule, on_wire)->why == fault::other_family);
    CHECK(text_of(*to_wire(rule, on_wire)).view() == "Rule has an address of another family: fc00::1");
    rule.stack = listen_stack::dual;
    CHECK(to_wire(rule, on_wire)->why == fault::dual_address);
    CHECK_FALSE(same(rule, rule));
    rule = {.protocol = 1, .first = 80, .last = 80, .target_first = 80};
    CHECK(to_wire(rule, on_wire)->why == fault::protocol);
}

TEST_CASE("a buffer that is too small makes the writer full, and three full tables fit the longest message")
{
    auto pifs = std::make_unique<pif_list>();
    for (const octet id : octets{1, 2, 3}) {
        pifs->push_back({});
        pifs->back().id = id;
        for (std::uint16_t port = 1; port <= 255; ++port)
            pifs->back().rules.push_back(
                {.protocol = tapioca::wire::protocol_udp, .first = port, .last = port, .target_first = port});
    }
    CHECK(written(put_greeting, *pifs).size() == longest_message);
    octets room(longest_message - 1);
    writer out{room};
    CHECK_FALSE(put_greeting(out, *pifs));
    CHECK(out.full());
}
