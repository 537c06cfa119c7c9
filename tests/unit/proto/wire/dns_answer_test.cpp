#include "proto/wire/dns_answer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

namespace {

const auto example = hex("07") + text("eXample") + hex("03") + text("com") + hex("00");
const auto question_a = example + hex("0001 0001");
const auto opt = hex("00 0029 04d0 00000000 0000");

dns_query asked(bool with_opt)
{
    return *parse_dns_query(hex(with_opt ? "1234 0100 0001 0000 0000 0001" : "1234 0100 0001 0000 0000 0000") + question_a +
                            (with_opt ? hex("00 0029 1000 00000000 0000") : octets{}));
}

octets denial(bool with_opt, std::size_t room = 512)
{
    octets into(room);
    into.resize(make_denial(asked(with_opt), rcode::name_error, into));
    return into;
}

} // namespace

TEST_CASE("a question of ours has lower case and no options of the client's")
{
    std::array<octet, longest_dns_query> into;
    const auto size = make_dns_query(0xabcd, asked(true).question, into);
    CHECK(copy(bytes_view{into}.first(size)) ==
          hex("abcd 0100 0001 0000 0000 0001 07") + text("example") + hex("03") + text("com") + hex("00 0001 0001") + opt);
}

TEST_CASE("RFC 2308 and RFC 8914: a denial has an authority to remember it by, and says why to clients that know OPT")
{
    const auto authority = hex("c014 0006 0001 0000000a 0026 07") + text("tapioca") + hex("07") + text("invalid") +
                           hex("00 00 00000001 00000e10 00000258 00015180 0000000a");
    CHECK(denial(false) == hex("1234 8183 0001 0000 0001 0000") + question_a + authority);
    const auto reason = hex("00 0029 04d0 00000000 0013 000f 000f 000f") + text("egress policy");
    CHECK(denial(true) == hex("1234 8183 0001 0000 0001 0001") + question_a + authority + reason);
    CHECK(denial(true, denial(true).size() - 1).empty());
}

TEST_CASE("records of another answer are written anew, with the client's id and case")
{
    const auto other = hex("07") + text("example") + hex("03") + text("com") + hex("00 0001 0001");
    const auto records = hex("c00c 0005 0001 0000003c 0006 03") + text("www") + hex("c00c") + //
                         hex("c029 0001 0001 00000000 0004 c6336402");
    const auto message = hex("9999 8180 0001 0002 0000 0000") + other + records;
    const auto reply = parse_dns_reply(message);
    REQUIRE(reply);
    octets into(512);
    dns_answer answer{asked(false), reply->rcode, into};
    each_record(*reply, [&](const dns_record& r, dns_section section) {
        answer.add(*reply, r, section);
        return true;
    });
    into.resize(answer.finish());
    const auto written = hex("c00c 0005 0001 0000003c 0011 03") + text("www") + hex("07") + text("example") + hex("03") +
                         text("com") + hex("00 c029 0001 0001 00000000 0004 c6336402");
    CHECK(into == hex("1234 8180 0001 0002 0000 0000") + question_a + written);
}

TEST_CASE("an answer that does not fit is nothing, and one that is truncated says so")
{
    octets into(80);
    CHECK(make_truncated(asked(true), rcode::no_error, into) == 12 + question_a.size() + opt.size());
    into.resize(12 + question_a.size() + opt.size());
    CHECK(into == hex("1234 8380 0001 0000 0000 0001") + question_a + opt);
    octets none(20);
    CHECK(make_truncated(asked(true), rcode::no_error, none) == 0);
}

TEST_CASE("refusals")
{
    octets into(80);
    into.resize(make_version_refusal(asked(true), into));
    CHECK(into == hex("1234 8180 0001 0000 0000 0001") + question_a + hex("00 0029 04d0 01000000 0000"));
    into.resize(80);
    into.resize(make_empty_answer(asked(true), rcode::server_failure, extended_error::no_reachable_peer, into));
    CHECK(into == hex("1234 8182 0001 0000 0000 0001") + question_a + hex("00 0029 04d0 00000000 0006 000f 0002 0016"));
    into.resize(80);
    into.resize(make_header_only(hex("1234 2900 0001 0000 0000 0000 ff"), rcode::not_implemented, into));
    CHECK(into == hex("1234 a984 0000 0000 0000 0000"));
    CHECK(make_header_only(hex("1234 8000 0001 0000 0000 0000"), rcode::format_error, into) == 0);
    CHECK(make_header_only(hex("1234 80"), rcode::format_error, into) == 0);
}
