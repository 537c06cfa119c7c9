#include "proto/wire/dns_message.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <string>

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

namespace {

const auto example = hex("07") + text("eXample") + hex("03") + text("com") + hex("00");
const auto question_a = example + hex("0001 0001");
const auto query_header = hex("1234 0100 0001 0000 0000 0001");
const auto opt = hex("00 0029 04d0 00000000 0000");

std::string words(const encoded_name& name)
{
    const auto text = text_of(name);
    return text ? std::string{text->view()} : "-";
}

octets name_at_the_front(const octets& before, const octets& name) { return before + name; }

} // namespace

TEST_CASE("RFC 1035 section 4.1.4: a pointer stands for the rest of a name")
{
    const auto message = name_at_the_front(example, hex("03") + text("www") + hex("c000") + hex("ff"));
    auto at = example.size();
    const auto name = take_dns_name(message, at);
    REQUIRE(name);
    CHECK(words(*name) == "www.example.com");
    CHECK(at == message.size() - 1);
}

TEST_CASE("a pointer that does not lead backwards is none")
{
    for (const auto* pointer : {"c000", "c001", "c002", "ffff", "01 61 c000"}) {
        std::size_t at = 0;
        CHECK(take_dns_name(hex(pointer), at).why() == drop_reason::bad_option);
    }
    std::size_t at = 2; // two that lead to each other
    CHECK_FALSE(take_dns_name(hex("c002 c000"), at));
    at = 0;
    CHECK(take_dns_name(hex("c0"), at).why() == drop_reason::truncated);
    at = 7;
    CHECK(take_dns_name(hex("00"), at).why() == drop_reason::truncated);
}

TEST_CASE("a name has 255 octets at most, its pointers followed")
{
    const auto label = hex("3f") + octets(63, 'a');
    auto message = label + label + label + hex("00");
    const auto tail_of = [&](std::size_t length) {
        auto at = message.size();
        const auto all = message + octets{static_cast<octet>(length)} + octets(length, 'b') + hex("c000");
        return take_dns_name(all, at);
    };
    CHECK(tail_of(61)->size == longest_encoded_name);
    CHECK(tail_of(62).why() == drop_reason::bad_length);
}

TEST_CASE("as text a name is in lower case, and a name that no host has is none")
{
    std::size_t at = 0;
    CHECK(words(*take_dns_name(example, at)) == "example.com");
    for (const auto& odd :
         {hex("09") + text("good.test") + hex("00"), hex("05") + text("go") + hex("00") + text("od") + hex("00"),
          hex("02") + text("a ") + hex("00"), hex("00"), hex("02 c3a4 00")}) {
        at = 0;
        CHECK(words(*take_dns_name(odd, at)) == "-");
    }
}

TEST_CASE("of a query the question and what the client can do are known")
{
    const auto q = parse_dns_query(query_header + question_a + opt);
    REQUIRE(q);
    CHECK((q->id == 0x1234 && q->wants_recursion && q->question.type == dns_type::a && q->question.in_class == dns_class_in));
    CHECK((q->client.has_opt && q->client.most_octets == 1232 && q->client.version == 0));
    const auto plain = parse_dns_query(hex("1234 0000 0001 0000 0000 0000") + question_a);
    REQUIRE(plain);
    CHECK((!plain->wants_recursion && !plain->client.has_opt && plain->client.most_octets == 512));
    const auto modest = parse_dns_query(query_header + question_a + hex("00 0029 0010 00010000 0000"));
    CHECK((modest && modest->client.most_octets == 512 && modest->client.version == 1));
}

TEST_CASE("what is no query of one question is refused")
{
    CHECK(parse_dns_query(hex("1234 8100 0001 0000 0000 0000") + question_a).why() == drop_reason::bad_type);
    CHECK(parse_dns_query(hex("1234 2800 0001 0000 0000 0000") + question_a).why() == drop_reason::bad_type); // an update
    CHECK(parse_dns_query(hex("1234 0100 0002 0000 0000 0000") + question_a + question_a).why() == drop_reason::bad_type);
    CHECK(parse_dns_query(hex("1234 0100 0000 0000 0000 0000")).why() == drop_reason::bad_type);
    CHECK(parse_dns_query(hex("1234 0100 0001 0000 0000 0002") + question_a + opt + opt).why() == drop_reason::bad_option);
    const auto whole = query_header + question_a + opt;
    for (std::size_t length = 0; length < whole.size(); ++length)
        CHECK(parse_dns_query(bytes_view{whole}.first(length)).why() == drop_reason::truncated);
}

TEST_CASE("an answer's records are all looked at")
{
    const auto header = hex("1234 8180 0001 0002 0001 0001");
    const auto alias = hex("c00c 0005 0001 0000003c 0006 03") + text("www") + hex("c00c");
    const auto address = hex("03") + text("www") + hex("c00c 0001 0001 00000e10 0004 c6336402");
    const auto authority = hex("c00c 0006 0001 0000003c 0018 c00c c00c 00000001 00000002 00000003 00000004 00000005");
    const auto whole = header + question_a + alias + address + authority + opt;
    const auto reply = parse_dns_reply(whole);
    REQUIRE(reply);
    std::string seen;
    each_record(*reply, [&](const dns_record& r, dns_section section) {
        seen += std::to_string(static_cast<int>(section)) + ' ' + words(r.owner) + ' ' + std::to_string(r.type) + ' ' +
                std::to_string(r.ttl) + (r.type == dns_type::cname ? " " + words(target_of(*reply, r)) : "") + '\n';
        return true;
    });
    CHECK(seen == "0 example.com 5 60 www.example.com\n0 www.example.com 1 3600\n1 example.com 6 60\n2 - 41 0\n");
    for (std::size_t length = 0; length < whole.size(); ++length)
        CHECK_FALSE(parse_dns_reply(bytes_view{whole}.first(length)));
}

TEST_CASE("an answer with a record that cannot be is no answer")
{
    const auto header = hex("1234 8180 0001 0001 0000 0000");
    const auto with = [&](const char* record) { return parse_dns_reply(header + question_a + hex(record)); };
    CHECK(with("c00c 0001 0001 00000000 0004 01020304"));
    CHECK_FALSE(with("c00c 0001 0001 00000000 0003 010203"));
    CHECK_FALSE(with("c00c 001c 0001 00000000 0004 01020304"));
    CHECK_FALSE(with("c00c 0005 0001 00000000 0003 c00c 00")); // octets behind the name
    CHECK_FALSE(with("c00c 0005 0001 00000000 0001 c0"));      // a name that goes on behind its record
    CHECK_FALSE(with("c00c 0005 0001 00000000 0002 0361"));
    CHECK_FALSE(with("c00c 000f 0001 00000000 0001 00"));
    CHECK(with("c00c 00ff 0001 00000000 0001 c0")); // of an unknown type, whatever it is
}

TEST_CASE("questions are compared whatever their case")
{
    std::size_t at = 0;
    const dns_question a{*take_dns_name(example, at), dns_type::a, dns_class_in};
    auto b = a;
    b.name = folded(a.name);
    CHECK(same_question(a, b));
    b.type = dns_type::aaaa;
    CHECK_FALSE(same_question(a, b));
}
