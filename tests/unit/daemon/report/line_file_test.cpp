// Lines into files and FIFOs: nobody waits, nothing is cut, and another file begins with a whole line.
#include "daemon/os/file.hpp"
#include "daemon/report/line_file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_tree.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

using namespace tapioca;
using report::line_file;

namespace {

std::string content(const std::string& path)
{
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::string read_some(int fd, std::size_t most)
{
    std::string text(most, '\0');
    const auto n = ::read(fd, text.data(), text.size());
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
}

} // namespace

TEST_CASE("lines are appended to what a file has, which is made for its owner alone if there is none")
{
    const temporary_tree tree;
    const auto path = tree.path("log");
    for (int i = 0; i < 2; ++i) {
        line_file file{os::open_to_append(path, "log")};
        file.lines() += "one\n";
        CHECK(file.write());
        file.lines() += "two\n";
        CHECK_FALSE(file.is_written());
        CHECK(file.write());
        CHECK(file.is_written());
    }
    CHECK(content(path) == "one\ntwo\none\ntwo\n");
    struct stat made {};
    REQUIRE(::stat(path.c_str(), &made) == 0);
    CHECK((made.st_mode & 0777) == 0600);
    CHECK_THROWS(os::open_to_append(tree.path("nowhere/log"), "log"));
}

TEST_CASE("a FIFO needs no reader; one that does not read keeps nobody waiting, and misses nothing")
{
    const temporary_tree tree;
    const auto path = tree.path("fifo");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    line_file file{os::open_to_append(path, "log")};
    std::string expected;
    while (file.has_room()) {
        file.lines() += std::string(997, 'x') + "\n";
        expected += std::string(997, 'x') + "\n";
        if (const auto written = file.write(); !written)
            CHECK(written.error().value() == EAGAIN);
    }
    const os::unique_fd reader{::open(path.c_str(), O_RDONLY | O_NONBLOCK)};
    std::string got;
    while (got.size() < expected.size()) {
        got += read_some(reader.get(), 4096);
        (void)file.write();
    }
    CHECK(got == expected);
    CHECK(file.is_written());
}

TEST_CASE("another file begins with its first line, and then with the line that the one before has not got as a whole")
{
    const temporary_tree tree;
    const auto fifo = tree.path("fifo"), next = tree.path("next");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    line_file file{os::open_to_append(fifo, "log")};
    const std::string line = std::string(5000, 'y') + "\n";
    for (int i = 0; i < 40; ++i)
        file.lines() += line;
    CHECK_FALSE(file.write());
    const os::unique_fd reader{::open(fifo.c_str(), O_RDONLY | O_NONBLOCK)};
    REQUIRE(file.replace(os::open_to_append(next, "log"), "first\n"));
    CHECK(file.write());
    std::string before;
    for (std::string part; !(part = read_some(reader.get(), 65536)).empty();)
        before += part;
    const auto whole = before.size() / line.size();
    CHECK(before.size() % line.size() != 0);
    const auto after = content(next);
    CHECK(after.substr(0, 6) == "first\n");
    CHECK(after.size() == 6 + (40 - whole) * line.size());
}

TEST_CASE("a file that takes nothing is no successor")
{
    const temporary_tree tree;
    const auto path = tree.path("log");
    line_file file{os::open_to_append(path, "log")};
    CHECK(file.replace(os::unique_fd{::open("/dev/full", O_WRONLY | O_CLOEXEC)}, "first\n").error().value() == ENOSPC);
    CHECK(file.replace(os::unique_fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}, "first\n").error().value() == EBADF);
    file.lines() += "one\n";
    CHECK(file.write());
    CHECK(content(path) == "one\n");
}
