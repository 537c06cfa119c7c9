#include "daemon/forward/listener_table.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <thread>
#include <vector>

using namespace tapioca;

namespace {

forward_rules ports(std::uint16_t first, std::uint16_t last)
{
    forward_rule rule{.protocol = wire::protocol_tcp};
    rule.first = first;
    rule.last = last;
    forward_rules rules;
    rules.push_back(rule);
    return rules;
}

/// One of ours that nobody else uses.
os::unique_fd descriptor() { return os::unique_fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

} // namespace

TEST_CASE("two threads that clear the table of listeners close every socket")
{
    const auto host = ports(1000, 1299), guest = ports(2000, 2299);
    listener_table table{host, guest};
    std::vector<int> fds;
    for (std::uint16_t i = 0; i < 300; i = static_cast<std::uint16_t>(i + 3))
        for (const auto side : {rule_side::host, rule_side::guest}) {
            auto fd = descriptor();
            REQUIRE(fd);
            fds.push_back(fd.get());
            const auto first = side == rule_side::host ? 1000 : 2000;
            const listener_name name{side, 0, static_cast<std::uint16_t>(first + i), wire::protocol_tcp};
            const auto at = table.put({std::move(fd), name});
            REQUIRE(table.find(at) != nullptr);
            CHECK(at >= table.first_used());
            CHECK(at < table.end_of_used());
        }

    std::thread other{[&] { table.clear(); }};
    table.clear();
    other.join();

    for (auto at = table.first_used(); at < table.end_of_used(); ++at)
        CHECK(table.find(at) == nullptr);
    for (const int fd : fds)
        CHECK_FALSE(is_open(fd));
}

TEST_CASE("a table of listeners that nothing was put into has no used places")
{
    const auto host = ports(1000, 1299);
    listener_table table{host, {}};
    CHECK(table.first_used() >= table.end_of_used());
    table.clear();
}
