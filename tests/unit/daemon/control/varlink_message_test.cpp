#include "daemon/control/varlink_message.hpp"

#include "tests/support/catch.hpp"

namespace tapioca::varlink {
namespace {

TEST_CASE("a call has a method, parameters and flags")
{
    const auto made = parse_call(R"({"method":"a.b.C","parameters":{"id":"0.tcp.1.1"},"more":true})");
    REQUIRE(made);
    CHECK(made->method == "a.b.C");
    CHECK(made->more);
    CHECK_FALSE(made->oneway);
    CHECK(made->parameters.at("id").as_string() == "0.tcp.1.1");
    CHECK(parse_call(R"({"method":"a.b.C"})"));
    CHECK(parse_call(R"({"method":"a.b.C","parameters":7,"more":"yes"})"));
}

TEST_CASE("what is no call is none")
{
    for (const char* text :
         {"", "7", "[]", "{}", "{\"method\":7}", "{\"method\":\"x\"", "{\"method\":\"x\"} y", "\xff", "{\"method\":\"\xff\"}"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_call(text));
    }
}

TEST_CASE("a call that is deep, long, or large in memory is none")
{
    const auto with = [](const std::string& value) { return R"({"method":"x","parameters":{"a":)" + value + "}}"; };
    const auto nested = [&](std::size_t depth) { return with(std::string(depth, '[') + std::string(depth, ']')); };
    CHECK(parse_call(nested(14)));
    CHECK_FALSE(parse_call(nested(15)));
    CHECK_FALSE(parse_call(nested(30000)));
    CHECK(parse_call(with('"' + std::string(60000, 'x') + '"')));
    CHECK_FALSE(parse_call(with('"' + std::string(longest_call, 'x') + '"')));
    std::string many = "[1";
    while (many.size() < longest_call - 1000)
        many += ",1";
    CHECK_FALSE(parse_call(with(many + ']')));
}

TEST_CASE("replies end with a NUL octet")
{
    std::string out;
    put_reply(out, {{"a", 1}}, continues::yes);
    put_error(out, "x.Y", {{"why", "so"}});
    using namespace std::string_literals;
    CHECK(out == "{\"parameters\":{\"a\":1},\"continues\":true}\0{\"error\":\"x.Y\",\"parameters\":{\"why\":\"so\"}}\0"s);
}

} // namespace
} // namespace tapioca::varlink
