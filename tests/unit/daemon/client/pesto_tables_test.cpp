#include "daemon/client/pesto_tables.hpp"

#include "daemon/client/pesto_command.hpp"
#include "daemon/config/early_exit.hpp"
#include "tests/support/catch.hpp"

#include <memory>

using namespace tapioca;
using namespace tapioca::client;

namespace {

/// A server with these capabilities whose tables a command line changes.
struct server {
    explicit server(std::uint32_t capabilities = 0x3f)
    {
        for (const auto& [id, name] : {std::pair{pesto::host_id, "HOST"}, std::pair{pesto::splice_id, "SPLICE"}}) {
            pifs->push_back({});
            pifs->back().id = id;
            pifs->back().name.assign(name);
            pifs->back().capabilities = capabilities;
        }
    }

    table_change change(std::vector<const char*> arguments)
    {
        arguments.insert(arguments.begin(), "pesto");
        arguments.push_back("socket");
        return change_tables(*pifs, parse_pesto_command(arguments).steps, {32768, 60999});
    }

    std::string refusal(const std::vector<const char*>& arguments)
    {
        try {
            (void)change(arguments);
        } catch (const early_exit& refused) {
            return refused.text;
        }
        return "";
    }

    [[nodiscard]] std::string shown() const { return show_tables("Rules", *pifs); }

    std::unique_ptr<pesto::pif_list> pifs = std::make_unique<pesto::pif_list>();
};

} // namespace

TEST_CASE("without --add the first specifier of a side replaces its table, and no other's")
{
    server s;
    CHECK(s.change({"-T", "22", "-t", "80"}).to_be_sent);
    CHECK(s.change({"-u", "53", "-t", "81"}).to_be_sent);
    CHECK(s.shown() == "Rules\n  HOST\n    UDP [*]:53  =>  53 \n    TCP [*]:81  =>  81 \n  SPLICE\n    TCP [*]%lo:22  =>  22 \n");
    CHECK(s.change({"-t", "none"}).to_be_sent);
    CHECK(s.shown() == "Rules\n  HOST\n  SPLICE\n    TCP [*]%lo:22  =>  22 \n");
}

TEST_CASE("a rule that is there is added with success, and nothing needs to be sent")
{
    server s;
    CHECK(s.change({"-A", "-t", "80-90,~85", "-u", "127.0.0.1%lo/53:5353"}).to_be_sent);
    const auto before = s.shown();
    CHECK_FALSE(s.change({"-A", "-t", "80-90,~85"}).to_be_sent);
    CHECK_FALSE(s.change({"-A", "-u", "127.0.0.1%lo/53:5353", "-t", "80-84"}).to_be_sent);
    CHECK(s.shown() == before);
    CHECK(s.change({"-A", "-t", "80-84,91"}).to_be_sent);
    CHECK(s.refusal({"-A", "-t", "80-83"}) == "Forwarding configuration conflict: TCP [*]:80-83  =>  80-83  versus "
                                              "TCP [*]:80-84  =>  80-84 \nUnable to add rule TCP [*]:80-83  =>  80-83 \n");
}

TEST_CASE("what cannot be deleted is named, and the nearest rule")
{
    server s;
    CHECK(s.change({"-t", "80", "-u", "127.0.0.1%lo/53", "-T", "22"}).to_be_sent);
    const auto before = s.shown();
    CHECK(s.refusal({"-D", "-t", "81"}) == "Couldn't find forwarding rule to delete: TCP [*]:81  =>  81 \n"
                                           "Unable to delete rule TCP [*]:81  =>  81 \n");
    CHECK(s.refusal({"-D", "-t", "80:8080"}) == "Specifier TCP [*]:80  =>  8080  conflicts with rule TCP [*]:80  =>  80 , "
                                                "but doesn't match it, can't delete\n"
                                                "Unable to delete rule TCP [*]:80  =>  8080 \n");
    CHECK(s.refusal({"-D", "-u", "80"}).find("; the nearest is TCP [*]:80  =>  80\n") != std::string::npos);
    CHECK(s.refusal({"-D", "-u", "127.0.0.2/50-60"}).find("; the nearest is UDP [127.0.0.1]%lo:53  =>  53\n") !=
          std::string::npos);
    CHECK(s.refusal({"-D", "-t", "22"}).find("; the nearest is TCP [*]%lo:22  =>  22 of SPLICE\n") != std::string::npos);
    CHECK(s.shown() == before);
    CHECK(s.change({"-D", "-t", "80", "-A", "-t", "80:8080"}).to_be_sent);
}

TEST_CASE("what the server cannot do is refused")
{
    CHECK(server{0x3f & ~pesto::capability::scan}.refusal({"-t", "auto"}).starts_with("'auto' port forwarding is only"));
    CHECK(server{0x3f & ~pesto::capability::udp}.refusal({"-u", "53"}).starts_with("Can't add UDP forwarding rule"));
    CHECK(server{0x3f & ~pesto::capability::ipv6}.refusal({"-t", "[::1]/80"}).starts_with("IPv6 forward, but IPv6 not enabled"));
    server s{0x3f & ~pesto::capability::interface_name};
    CHECK(s.change({"-T", "22"}).warnings == "SO_BINDTODEVICE unavailable, forwarding only 127.0.0.1 and ::1 for '-T 22'\n");
    CHECK(s.shown() == "Rules\n  HOST\n  SPLICE\n    TCP [127.0.0.1]:22  =>  22 \n    TCP [::1]:22  =>  22 \n");
    CHECK(
        s.refusal({"-T", "x"}).starts_with("SO_BINDTODEVICE unavailable, forwarding only 127.0.0.1 and ::1 for '-T x'\nInvalid"));
}

TEST_CASE("options may stand behind the path, and --add alone asks for an exchange")
{
    const char* const behind[] = {"pesto", "socket", "-sA", "-t", "80", "--clear=HOST"};
    const auto command = parse_pesto_command(behind);
    CHECK(command.path == "socket");
    CHECK(command.show);
    REQUIRE(command.steps.size() == 3);
    CHECK(command.steps[1].text == "80");
    CHECK(command.steps[2].text == "HOST");
    const char* const ended[] = {"pesto", "-d", "--", "-s"};
    CHECK(parse_pesto_command(ended).path == "-s");
    const char* const two[] = {"pesto", "-d", "--", "a", "b"};
    CHECK_THROWS_AS(parse_pesto_command(two), early_exit);
    CHECK(server{}.change({"-A"}).to_be_sent);
    CHECK_FALSE(server{}.change({}).to_be_sent);
}
