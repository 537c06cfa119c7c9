#include "daemon/follow/link_walk.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/temporary_tree.hpp"

#include <cerrno>
#include <string>
#include <vector>

using namespace tapioca;

namespace {

struct walked {
    std::vector<std::string> names; ///< below the tree, in the order of the way
    int error;
    std::string file;
};

walked walk(const temporary_tree& tree, std::string_view name)
{
    walked all{};
    const std::string root = tree.path("");
    link_walk way{tree.path(name)};
    for (; !way.ended(); way.step()) {
        std::string at = way.directory();
        at += '/';
        at += way.name();
        if (at.starts_with(root))
            all.names.push_back(at.substr(root.size()));
    }
    all.error = way.error();
    all.file = way.file();
    return all;
}

using names = std::vector<std::string>;

} // namespace

TEST_CASE("the way to a plain file is its directories and its name")
{
    const temporary_tree tree;
    tree.directory("etc");
    tree.write("etc/resolv.conf", "text");
    const auto found = walk(tree, "etc/resolv.conf");
    CHECK(found.names == names{"etc", "etc/resolv.conf"});
    CHECK(found.error == 0);
    CHECK(found.file == tree.path("etc/resolv.conf"));
}

TEST_CASE("links lead on, relative ones and absolute ones, and each name on the way is told")
{
    const temporary_tree tree;
    tree.directory("etc");
    tree.directory("run/resolve");
    tree.directory("var");
    tree.write("run/resolve/stub", "text");
    tree.link("etc/resolv.conf", "../var/run/./resolve/conf");
    tree.link("var/run", tree.path("run"));
    tree.link("run/resolve/conf", "stub");
    const auto found = walk(tree, "etc/resolv.conf");
    CHECK(found.names ==
          names{"etc", "etc/resolv.conf", "var", "var/run", "run", "run/resolve", "run/resolve/conf", "run/resolve/stub"});
    CHECK(found.error == 0);
    CHECK(found.file == tree.path("run/resolve/stub"));
}

TEST_CASE("a way that leads nowhere ends at the first name that is not there")
{
    const temporary_tree tree;
    tree.directory("run");
    tree.write("file", "text");
    tree.link("dangling", "run/systemd/resolve/stub");
    tree.link("through_a_file", "file/conf");
    CHECK(walk(tree, "dangling").names == names{"dangling", "run", "run/systemd"});
    CHECK(walk(tree, "dangling").error == ENOENT);
    CHECK(walk(tree, "through_a_file").names.back() == "file/conf");
    CHECK(walk(tree, "through_a_file").error == ENOTDIR);
}

TEST_CASE("links in a circle end after forty, paths that are too long before")
{
    const temporary_tree tree;
    tree.link("a", "b");
    tree.link("b", "a");
    CHECK(walk(tree, "a").error == ELOOP);
    CHECK(walk(tree, "a").names.size() == 41);
    tree.directory("d");
    for (int i = 0; i < 3; ++i)
        tree.link("l" + std::to_string(i),
                  std::string(3000, '/') + tree.path("l" + std::to_string(i + 1)).substr(1) + std::string(900, '/'));
    CHECK(walk(tree, "l0/" + std::string(200, 'x')).error == ENAMETOOLONG);
    CHECK(link_walk{std::string(5000, '/')}.error() == ENAMETOOLONG);
    CHECK(walk(tree, std::string(300, 'x')).error == ENAMETOOLONG);
}

TEST_CASE("above the root there is the root")
{
    link_walk way{"/../.."};
    CHECK(way.ended());
    CHECK(way.error() == 0);
    CHECK(std::string{way.file()} == "/");
}
