#include "daemon/netns/watch.hpp"
#include "tests/support/catch.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

using namespace tapioca;

namespace {

struct directory {
    std::string path;
    directory()
    {
        char name[] = "/tmp/tapioca-watch-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~directory() { std::filesystem::remove_all(path); }
    void add(const std::string& name) const { std::ofstream{path + "/" + name}; }
    void remove(const std::string& name) const { std::filesystem::remove(path + "/" + name); }
};

} // namespace

TEST_CASE("a name that is deleted is gone, others do not matter")
{
    const directory place;
    place.add("ours");
    place.add("other");
    netns::watch watch{place.path + "/ours"};
    CHECK(watch.events() >= 0);
    place.remove("other");
    CHECK_FALSE(watch.gone_by_events());
    CHECK_FALSE(watch.gone());
    place.remove("ours");
    CHECK(watch.gone());
    CHECK(watch.gone_by_events());
}

TEST_CASE("a name that is deleted and made again belongs to another namespace")
{
    const directory place;
    place.add("ours");
    netns::watch watch{place.path + "/ours"};
    place.remove("ours");
    place.add("ours");
    CHECK(watch.gone_by_events());
}

TEST_CASE("procfs says nothing to inotify and is looked at instead")
{
    const netns::watch watch{"/proc/self/ns/net"};
    CHECK(watch.events() < 0);
    CHECK_FALSE(watch.gone());
}

TEST_CASE("the end of a process is the end of its namespaces' names")
{
    const pid_t child = ::fork();
    if (child == 0)
        for (;;)
            ::pause();
    netns::watch watch{"/proc/" + std::to_string(child) + "/ns/net"};
    pollfd end{watch.events(), POLLIN, 0};
    CHECK(::poll(&end, 1, 0) == 0);
    CHECK_FALSE(watch.gone());
    ::kill(child, SIGKILL);
    CHECK(::poll(&end, 1, 10'000) == 1);
    CHECK(watch.gone_by_events());
    ::waitpid(child, nullptr, 0);
    CHECK(watch.gone());
}

TEST_CASE("a directory that does not exist is a fault of the command line")
{
    CHECK_THROWS_AS(netns::watch{"/nonexistent/directory/name"}, std::runtime_error);
}
