#include "daemon/os/host_facts.hpp"
#include "tests/support/catch.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

using namespace tapioca;

namespace {

std::optional<std::uint32_t> number_of(const std::string& text)
{
    char name[] = "/tmp/tapioca-number-XXXXXX";
    ::close(::mkstemp(name));
    std::ofstream{name} << text;
    const auto number = os::number_in(name);
    std::remove(name);
    return number;
}

} // namespace

TEST_CASE("a number in a file is taken only if it is all that the file's line holds")
{
    CHECK(number_of("30\n") == 30);
    CHECK(number_of("0") == 0);
    CHECK(number_of("4294967295\n") == 0xffff'ffff);
    for (const char* other : {"", "\n", "4294967296\n", "-1\n", "30 s\n", "thirty\n"})
        CHECK_FALSE(number_of(other).has_value());
    CHECK_FALSE(os::number_in("/nonexistent/number").has_value());
}

TEST_CASE("the kernel tells the machine's name") { CHECK_FALSE(os::host_name().empty()); }
