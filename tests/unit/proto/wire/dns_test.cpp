#include "proto/wire/dns.hpp"
#include "proto/wire/domain_name.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <string>

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

namespace {

const auto example = hex("07") + text("example") + hex("03") + text("com") + hex("00 0001 0001");
const auto query = hex("1234 0100 0001 0000 0000 0000") + example;

} // namespace

TEST_CASE("RFC 1035 section 4.1: of a message the id, the kind and the first question are known")
{
    const auto q = parse_dns(query);
    REQUIRE(q);
    CHECK((q->id == 0x1234 && !q->answers && q->rcode == rcode::no_error));
    CHECK(copy(q->question) == example);
    const auto answer = parse_dns(hex("1234 8183 0001 0000 0000 0000") + example + hex("ffff"));
    REQUIRE(answer);
    CHECK((answer->answers && answer->rcode == rcode::name_error));
    const auto without = parse_dns(hex("1234 8005 0000 0000 0000 0000"));
    REQUIRE(without);
    CHECK((without->question.empty() && without->rcode == rcode::refused));
}

TEST_CASE("messages that are cut, or whose name is none, are no messages")
{
    for (std::size_t length = 0; length < query.size(); ++length)
        CHECK(parse_dns(bytes_view{query}.first(length)).why() == drop_reason::truncated);
    const auto header = hex("1234 0100 0001 0000 0000 0000");
    CHECK(parse_dns(header + hex("c00c 0001 0001")).why() == drop_reason::bad_option); // a pointer
    CHECK(parse_dns(header + hex("40") + std::vector<octet>(80)).why() == drop_reason::bad_option);
    std::vector<octet> labels;
    for (int i = 0; i < 4; ++i)
        labels = labels + hex("3f") + std::vector<octet>(63, 'a');
    CHECK(parse_dns(header + labels + hex("00 0001 0001")).why() == drop_reason::bad_length); // 257 octets
    labels.resize(3 * 64);
    labels = labels + hex("3d") + std::vector<octet>(61, 'a') + hex("00 0001 0001");
    const auto longest = parse_dns(header + labels);
    REQUIRE(longest);
    CHECK(longest->question.size() == longest_encoded_name + 4);
}

TEST_CASE("an answer has the id and the question of the query, in whatever case, or no question at all")
{
    const auto q = *parse_dns(query);
    const auto answers = [&](const std::vector<octet>& octets) { return may_answer(*parse_dns(octets), q); };
    const auto header = hex("1234 8180 0001 0000 0000 0000");
    CHECK(answers(header + example));
    CHECK(answers(header + hex("07") + text("eXaMPle") + hex("03") + text("COM") + hex("00 0001 0001")));
    CHECK(answers(hex("1234 8185 0000 0000 0000 0000")));
    CHECK_FALSE(answers(query));
    CHECK_FALSE(answers(hex("1235 8180 0001 0000 0000 0000") + example));
    CHECK_FALSE(answers(header + hex("07") + text("exampla") + hex("03") + text("com") + hex("00 0001 0001")));
    CHECK_FALSE(answers(header + hex("07") + text("example") + hex("03") + text("com") + hex("00 001c 0001")));
    CHECK_FALSE(answers(header + hex("00 0001 0001")));
}

TEST_CASE("a failure that we report ourselves repeats the question and what was desired, and nothing else of the query")
{
    const auto with_options = hex("1234 0920 0001 0000 0000 0001") + example + hex("00 0029 04d0 0000 0000 0000");
    const auto q = *parse_dns(with_options);
    std::array<octet, longest_server_failure> room;
    const auto size = make_server_failure(with_options, q, room);
    CHECK(copy(bytes_view{room}.first(size)) == hex("1234 8982 0001 0000 0000 0000") + example); // opcode 1, RD, RA, SERVFAIL
    CHECK(may_answer(*parse_dns(bytes_view{room}.first(size)), q));
    CHECK(make_server_failure(with_options, q, bytes_span{room}.first(size - 1)) == 0);
    const auto none = hex("1234 0000 0000 0000 0000 0000");
    CHECK(make_server_failure(none, *parse_dns(none), room) == 12);
    CHECK(copy(bytes_view{room}.first(12)) == hex("1234 8082 0000 0000 0000 0000"));
}

TEST_CASE("another server may know more where one has failed, does not implement it, or refuses, and in no other case")
{
    for (unsigned code = 0; code < 16; ++code)
        CHECK(says_nothing(static_cast<rcode>(code)) == (code == 2 || code == 4 || code == 5));
}
