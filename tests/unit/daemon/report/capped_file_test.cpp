#include "daemon/report/capped_file.hpp"
#include "tests/support/catch.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <sstream>
#include <vector>

using namespace tapioca;

namespace {

struct memory_file {
    os::unique_fd fd{::memfd_create("log", MFD_CLOEXEC)};

    os::unique_fd writer() const { return os::unique_fd{::dup(fd.get())}; }

    std::vector<std::string> lines() const
    {
        std::string text(static_cast<std::size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
        CHECK(::pread(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
        CHECK((text.empty() || text.back() == '\n'));
        std::vector<std::string> all;
        std::istringstream in{text};
        for (std::string line; std::getline(in, line);)
            all.push_back(line);
        return all;
    }
};

constexpr std::size_t cap = 40960;

} // namespace

TEST_CASE("a log file begins with its header and keeps what fits")
{
    memory_file file;
    report::capped_file log{file.writer(), cap, "pasta 1.0: /bin/pasta (7)"};
    log.write("one", "0.1");
    log.write("two", "0.2");
    CHECK(file.lines() == std::vector<std::string>{"pasta 1.0: /bin/pasta (7)", "one", "two"});
}

TEST_CASE("a full log file loses its oldest lines, whole, and says so in its header")
{
    memory_file file;
    report::capped_file log{file.writer(), cap, "header"};
    const std::string rest(90, 'x');
    for (int i = 0; i < 2000; ++i) {
        log.write(std::to_string(i) + " " + rest, std::to_string(i));
        REQUIRE(::lseek(file.fd.get(), 0, SEEK_END) <= static_cast<off_t>(cap));
    }
    const auto lines = file.lines();
    CHECK(lines.front().rfind("header - log truncated at ", 0) == 0);
    REQUIRE(lines.size() > cap / 2 / 96);
    for (std::size_t i = 1; i < lines.size(); ++i)
        CHECK(lines[i] == std::to_string(2000 - lines.size() + i) + " " + rest);
}

TEST_CASE("a line that is longer than anything sensible is cut")
{
    memory_file file;
    report::capped_file log{file.writer(), cap, "header"};
    log.write(std::string(100000, 'y'), "0");
    CHECK(file.lines().at(1).size() < 5000);
}
