#include "daemon/client/tapioca_instances.hpp"

#include "tests/support/catch.hpp"

namespace tapioca::client {
namespace {

constexpr const char* head = "Num       RefCount Protocol Flags    Type St Inode Path\n";

TEST_CASE("instances are found by their listening sockets")
{
    const auto table = std::string{head} + "0000000000000000: 00000002 00000000 00010000 0001 01 48336159 @tapioca/1000/5403\n"
                                           "0000000000000000: 00000003 00000000 00000000 0001 03 48336160 @tapioca/1000/5403\n"
                                           "0000000000000000: 00000002 00000000 00010000 0001 01 48336161 @tapioca/0/7\n"
                                           "0000000000000000: 00000002 00000000 00010000 0001 01 48336162 /run/x @tapioca/1/1x\n"
                                           "0000000000000000: 00000003 00000000 00000000 0001 03 48336163\n";
    CHECK(instances_in(table) == std::vector<instance>{{0, 7}, {1000, 5403}});
}

TEST_CASE("names that are somebody else's are no instances")
{
    for (const char* name : {"@tapioca/", "@tapioca/1000", "@tapioca/1000/", "@tapioca/1000/0", "@tapioca/1000/-5", "@tapioca//5",
                             "@tapioca/x/5", "@tapioca/1000/5/6", "@tapioca/1000/5@", "@xtapioca/1000/5", "/tapioca/1000/5"}) {
        CAPTURE(name);
        CHECK(instances_in(std::string{"0000000000000000: 00000002 00000000 00010000 0001 01 1 "} + name + '\n').empty());
    }
    CHECK(instances_in("").empty());
    CHECK(instances_in("\n\n@tapioca/1/1").empty());
}

} // namespace
} // namespace tapioca::client
