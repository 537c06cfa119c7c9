#include "daemon/client/tapioca_command.hpp"

#include "daemon/config/early_exit.hpp"
#include "tests/support/catch.hpp"

#include <vector>

namespace tapioca::client {
namespace {

tapioca_command parse(std::vector<const char*> words)
{
    words.insert(words.begin(), "/usr/bin/tapioca");
    return parse_tapioca_command(words);
}

early_exit refused(std::vector<const char*> words)
{
    try {
        (void)parse(std::move(words));
    } catch (const early_exit& early) {
        return early;
    }
    return {0, "it was taken", false};
}

TEST_CASE("options may stand anywhere")
{
    for (const auto& words : std::vector<std::vector<const char*>>{
             {"flows", "--json", "4711"}, {"--json", "flows", "4711"}, {"flows", "4711", "-j"}, {"-j", "--", "flows", "4711"}}) {
        const auto command = parse(words);
        CHECK(command.what->name == "flows");
        CHECK(command.json);
        CHECK(command.pid == 4711);
    }
    const auto end = parse({"end", "0.tcp.1.2", "--control", "/run/c"});
    CHECK(end.what->name == "end");
    CHECK(end.operand == "0.tcp.1.2");
    CHECK(end.path == "/run/c");
}

TEST_CASE("upgrade takes a program, and all instances as well as one")
{
    CHECK(parse({"upgrade", "4711"}).pid == 4711);
    const auto all = parse({"upgrade", "all", "--program", "/opt/pasta", "-j"});
    CHECK(all.name == "all");
    CHECK(all.program == "/opt/pasta");
    CHECK(all.json);
    CHECK(parse({"upgrade", "--control", "/run/c"}).path == "/run/c");
    CHECK(refused({"upgrade", "--program", ""}).status == 2);
    CHECK(refused({"ps", "--program", "/opt/pasta"}).text.find("ps does not take --program") != std::string::npos);
}

TEST_CASE("rules are shown, added, deleted and replaced")
{
    CHECK(parse({"rules", "4711"}).rules.what == rule_change::action::none);
    const auto added = parse({"rules", "add", "-t", "8080:80", "--udp-ns=53", "-o", "web", "4711"});
    CHECK(added.rules.what == rule_change::action::add);
    REQUIRE(added.rules.rules.size() == 2);
    CHECK(added.rules.rules[0].letter == 't');
    CHECK(added.rules.rules[1].letter == 'U');
    CHECK(added.rules.rules[1].ports == "53");
    CHECK(added.rules.owner == "web");
    CHECK(added.pid == 4711);
    const auto deleted = parse({"rules", "delete", "7", "4711"});
    CHECK(deleted.rules.what == rule_change::action::remove);
    CHECK(deleted.rules.id == 7U);
    CHECK(deleted.pid == 4711);
    CHECK(parse({"rules", "delete", "-u", "53", "4711"}).pid == 4711);
    CHECK(parse({"rules", "replace", "-t", "none"}).rules.what == rule_change::action::replace);
}

TEST_CASE("flows may have a filter, which is no process id and no name, and then one of these")
{
    CHECK(parse({"flows"}).filter.is_empty());
    CHECK(parse({"flows", "4711"}).filter.is_empty());
    const auto command = parse({"flows", "-i", "dport = :443", "4711"});
    CHECK(command.info);
    CHECK(command.pid == 4711);
    CHECK(command.filter.filter().contains("remote_port"));
    CHECK(refused({"flows", "dport = x", "4711"})
              .text.starts_with("tapioca: the filter 'dport = x' makes no sense: 'x' is no number for dport\n"));
    CHECK(refused({"ps", "dport = :443"}).status == 2);
    CHECK(parse({"watch", "4711"}).what->name == "watch");
    CHECK(parse({"flows", "web"}).name == "web");
    CHECK(parse({"flows", "dport = :443", "web"}).name == "web");
}

TEST_CASE("an instance has a number or a name")
{
    CHECK(parse({"flows", "4711"}).pid == 4711);
    CHECK(parse({"flows", "4711"}).name.empty());
    for (const char* name : {"web", "4711-web", "/run/netns/web", "99999999999999"}) {
        const auto command = parse({"flows", name});
        CHECK(command.name == name);
        CHECK_FALSE(command.pid);
    }
}

TEST_CASE("what one sub-command takes others do not")
{
    const auto served = parse({"metrics", "-l", "127.0.0.1:9101", "--openmetrics"});
    REQUIRE(served.listen);
    CHECK(served.listen->port == 9101);
    CHECK(served.openmetrics);
    CHECK(parse({"report", "--anonymous", "web"}).anonymous);
    CHECK(parse({"doctor", "-j"}).json);
}

TEST_CASE("a command line that makes no sense is refused with status 2")
{
    const std::string path(108, 'x');
    for (const auto& words : std::vector<std::vector<const char*>>{{},
                                                                   {"fly"},
                                                                   {"flows", ""},
                                                                   {"doctor", "1"},
                                                                   {"ps", "--listen", "unix:/m"},
                                                                   {"metrics", "-l", "9101"},
                                                                   {"flows", "-a"},
                                                                   {"report", "--json"},
                                                                   {"flows", "0"},
                                                                   {"flows", "--", "-3"},
                                                                   {"flows", "1", "2"},
                                                                   {"end"},
                                                                   {"end", "0.tcp.1.2", "1", "2"},
                                                                   {"rules", "add"},
                                                                   {"rules", "replace", "--owner", "me"},
                                                                   {"rules", "delete"},
                                                                   {"rules", "delete", "x"},
                                                                   {"rules", "delete", "1", "2", "3"},
                                                                   {"rules", "-t", "80"},
                                                                   {"rules", "--owner", "me"},
                                                                   {"rules", "add", "-t", "80", "-o", ""},
                                                                   {"flows", "-t", "80"},
                                                                   {"ps", "--owner", "me"},
                                                                   {"ps", "--fast"},
                                                                   {"ps", "-c", ""},
                                                                   {"ps", "-c", path.c_str()},
                                                                   {"ps", "-c", "/run/c", "4"}}) {
        const auto early = refused(words);
        CAPTURE(early.text);
        CHECK(early.status == 2);
        CHECK_FALSE(early.to_stdout);
        CHECK(early.text.find("tapioca --help") != std::string::npos);
    }
}

TEST_CASE("help names every command and option")
{
    const auto help = refused({"--help"});
    CHECK(help.status == 0);
    for (const char* word :
         {"  ps ", "  flows ", "  drops ", "  rules ", "  end ID", "  metrics ", "--json", "--control", "--version"})
        CHECK(help.text.find(word) != std::string::npos);
}

} // namespace
} // namespace tapioca::client
