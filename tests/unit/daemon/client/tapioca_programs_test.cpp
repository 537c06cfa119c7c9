#include "daemon/client/tapioca_programs.hpp"

#include "daemon/client/tapioca_run.hpp"
#include "tests/support/catch.hpp"

#include <cerrno>
#include <chrono>
#include <unistd.h>

namespace tapioca::client {
namespace {

using names = std::vector<std::string>;

TEST_CASE("helper directories are those of containers.conf")
{
    const names before{"/a", "/b"};
    CHECK(helper_directories("", before) == before);
    CHECK(helper_directories("[engine]\n# helper_binaries_dir = [\"/x\"]\n", before) == before);
    CHECK(helper_directories("[network]\nhelper_binaries_dir = [\"/x\"]\n", before) == before);
    CHECK(helper_directories("[engine]\nhelper_binaries_dir_of_others = [\"/x\"]\n", before) == before);
    CHECK(helper_directories("[engine]\nhelper_binaries_dir = [\"/x\", \"/y\"]\n", before) == names{"/x", "/y"});
    CHECK(helper_directories("[containers]\n[engine] # one\n helper_binaries_dir=[ # several\n  \"/x#1\",\n  \"/y\",\n]\n",
                             before) == names{"/x#1", "/y"});
    CHECK(helper_directories("[engine]\nhelper_binaries_dir = [\"/x\", {append = true}]\n", before) == names{"/a", "/b", "/x"});
    CHECK(helper_directories("[engine]\nhelper_binaries_dir = [\"/x", before).empty());
}

TEST_CASE("a path is its directories")
{
    CHECK(directories_of("/a:/b::/c:") == names{"/a", "/b", "/c"});
    CHECK(directories_of("").empty());
}

TEST_CASE("a program is a regular file that may be executed")
{
    CHECK(find_program({"/nowhere", "/bin"}, "sh") == "/bin/sh");
    CHECK(find_program({"/"}, "bin").empty());
    CHECK(find_program({"/etc"}, "passwd").empty());
}

TEST_CASE("what a program prints is read, and one that does not end is ended")
{
    CHECK(output_of({"/bin/sh", "-c", "echo one; echo two >&2; echo three"}) == "one\ntwo\nthree\n");
    CHECK(output_of({"/nowhere/program"}).empty());
    const auto before = std::chrono::steady_clock::now();
    CHECK(output_of({"/bin/sh", "-c", "echo one; exec sleep 60"}) == "one\n");
    CHECK(output_of({"/bin/sh", "-c", "exec yes"}).size() < 100'000);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds{20});
}

TEST_CASE("first lines")
{
    CHECK(first_lines("a\nb\nc\n", 2) == "a\nb");
    CHECK(first_lines("a\nb", 5) == "a\nb");
    CHECK(first_lines("a\nb", 1) == "a");
    CHECK(first_lines("", 1).empty());
}

TEST_CASE("what a child finds out leaves us as we are")
{
    CHECK(result_in_child([] { return EACCES; }) == EACCES);
    CHECK(result_in_child([] { return ::chdir("/proc") != 0 ? errno : 0; }) == 0);
}

} // namespace
} // namespace tapioca::client
