#include "tests/unit/daemon/config/command_line_support.hpp"

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("without limits on the command line there are none")
{
    const auto l = parse("pasta").limits;
    CHECK(l.flows + l.tcp + l.udp + l.echo + l.spliced + l.new_flows + l.reassembly == 0);
}

TEST_CASE("each limit is a number, the last one counts, and 0 takes it back")
{
    const auto l = parse("pasta --max-flows 1 --max-tcp-flows=2 --max-udp-flows 3 --max-echo-flows 4 --max-spliced-flows 5 "
                         "--max-new-flows 6 --max-reassembly 7")
                       .limits;
    CHECK(l.flows == 1);
    CHECK(l.tcp == 2);
    CHECK(l.udp == 3);
    CHECK(l.echo == 4);
    CHECK(l.spliced == 5);
    CHECK(l.new_flows == 6);
    CHECK(l.reassembly == 7);
    CHECK(parse("passt --max-flows 10 --max-flows 0").limits.flows == 0);
    CHECK(parse("passt --max-reassembly 8589934592").limits.reassembly == 8'589'934'592);
    CHECK(parse("passt --max-tcp-flows 4294967295").limits.tcp == 4'294'967'295);
}

TEST_CASE("what is no number is refused in a line that shows it")
{
    for (const std::string name : {"flows", "tcp-flows", "udp-flows", "echo-flows", "spliced-flows", "new-flows", "reassembly"})
        for (const std::string value : {"many", "-1", "1k", "18446744073709551616"}) {
            const auto e = exit_of("pasta --max-" + name + " " + value);
            CHECK(e.status == 1);
            CHECK(e.text.find("Invalid limit: " + value) != std::string::npos);
        }
    CHECK(exit_of("pasta --max-tcp-flows 4294967296").status == 1);
}
