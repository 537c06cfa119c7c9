#include "daemon/client/tapioca_names.hpp"

#include "tests/support/catch.hpp"

namespace tapioca::client {
namespace {

using names = std::vector<std::string>;

names of_pasta(const char* served) { return names_of({{"mode", "pasta"}, {"namespace", served}}, {"pasta", "-s", "/run/other"}); }
names of_passt(names words)
{
    words.insert(words.begin(), "/usr/bin/passt");
    return names_of({{"mode", "passt"}}, words);
}

TEST_CASE("pasta is called as its namespace, by name and by path")
{
    CHECK(of_pasta("/run/netns/web") == names{"web", "/run/netns/web"});
    CHECK(of_pasta("/run/user/1000/netns/rootless-netns") == names{"rootless-netns", "/run/user/1000/netns/rootless-netns"});
    CHECK(of_pasta("of a command").empty());
    CHECK(of_pasta("of process 7").empty());
}

TEST_CASE("passt is called as its socket, and as the machine in that")
{
    CHECK(of_passt({"--one-off", "--socket", "/run/libvirt/qemu/passt/12-my-vm-net0.socket"}) ==
          names{"my-vm", "12-my-vm-net0", "/run/libvirt/qemu/passt/12-my-vm-net0.socket"});
    CHECK(of_passt({"-s", "vm.socket"}) == names{"vm", "vm.socket"});
    CHECK(of_passt({"--socket-path=/run/s"}) == names{"s", "/run/s"});
    CHECK(of_passt({"--fd", "3"}).empty());
    for (const char* other : {"my-vm-net0", "12-net0", "12--net0", "12-vm-net", "12-vm-netx", "12", "-vm-net0"})
        CHECK(of_passt({"-s", other}) == names{other});
}

} // namespace
} // namespace tapioca::client
