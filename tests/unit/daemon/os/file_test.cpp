#include "daemon/os/file.hpp"
#include "tests/support/catch.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

using namespace tapioca;

namespace {

/// A reader of log lines, as a directory of its own has it.
struct log_reader {
    std::string directory = "/tmp/tapioca-log-XXXXXX";
    std::string path;
    os::unique_fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};

    log_reader()
    {
        REQUIRE(::mkdtemp(directory.data()) != nullptr);
        path = directory + "/log";
        sockaddr_un at{AF_UNIX, {}};
        std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    }
    ~log_reader()
    {
        ::unlink(path.c_str());
        ::rmdir(directory.c_str());
    }
};

} // namespace

TEST_CASE("a line for a log whose reader is busy waits for it; without patience it is lost")
{
    log_reader reader;
    const auto log = os::connect_log(reader.path.c_str());
    REQUIRE(log);
    while (os::send_datagram(log.get(), "line", os::patience::none))
        ;
    CHECK(!os::send_datagram(log.get(), "lost", os::patience::none));
    std::thread late{[&] {
        char line[16];
        ::usleep(20'000);
        (void)!::read(reader.socket.get(), line, sizeof line);
    }};
    CHECK(os::send_datagram(log.get(), "kept", os::patience::some));
    late.join();
}

TEST_CASE("a reader that takes nothing is waited for in vain, but not for ever")
{
    log_reader reader;
    const auto log = os::connect_log(reader.path.c_str());
    REQUIRE(log);
    while (os::send_datagram(log.get(), "line", os::patience::none))
        ;
    CHECK(!os::send_datagram(log.get(), "lost", os::patience::some));
}

TEST_CASE("without a reader there is no log, and a reader that has gone takes nothing")
{
    CHECK(!os::connect_log("/nonexistent/log"));
    auto reader = std::make_unique<log_reader>();
    const auto log = os::connect_log(reader->path.c_str());
    reader.reset();
    CHECK(!os::send_datagram(log.get(), "lost", os::patience::some));
}
