#include "daemon/client/text_table.hpp"

#include "tests/support/catch.hpp"

namespace tapioca::client {
namespace {

TEST_CASE("columns are as wide as they have to be")
{
    text_table table{{"PID", "REASON"}};
    CHECK(table.empty());
    table.add({"4711", "bad checksum"});
    table.add({"1"});
    CHECK(table.text(0) == "PID   REASON\n4711  bad checksum\n1\n");
    CHECK(table.text(80) == table.text(0));
}

TEST_CASE("the widest columns lose their middle where the terminal is narrow")
{
    text_table table{{"ID", "REMOTE"}};
    table.add({"0.tcp.1.1", "[2001:db8:1234:5678:9abc:def0:1234:5678]:443"});
    CHECK(table.text(30) == "ID         REMOTE\n0.tcp.1.1  [2001:db8~5678]:443\n");
    for (std::size_t width = 1; width < 80; ++width) {
        const auto text = table.text(width);
        CHECK(text.find("0.tcp.1.1") != std::string::npos);
        if (width >= 20)
            CHECK(text.substr(0, text.find('\n')).size() <= width);
    }
}

TEST_CASE("the last columns are left out where nothing can be read in so little room")
{
    text_table table{{"FIRST", "SECOND", "THIRD"}};
    table.add({"aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"});
    CHECK(table.text(31) == "FIRST      SECOND     THIRD\naaaa~aaaa  bbbb~bbbb  cccc~cccc\n");
    CHECK(table.text(30).find("THIRD") == std::string::npos);
    CHECK(table.text(30).find("bbbbbbbbbbbb") != std::string::npos);
    CHECK(table.text(19).find("SECOND") == std::string::npos);
    CHECK(table.text(1).find("FIRST") != std::string::npos);
}

TEST_CASE("what a terminal would obey is not printed")
{
    text_table table{{"NAME"}};
    table.add({"a\x1b[2Jb\n\x7f"});
    CHECK(table.text(0) == "NAME\na?[2Jb??\n");
}

} // namespace
} // namespace tapioca::client
