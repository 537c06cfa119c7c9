#include "daemon/follow/resolver_watcher.hpp"

#include "daemon/follow/watch_message.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_tree.hpp"

#include <cerrno>
#include <chrono>
#include <poll.h>
#include <string>
#include <sys/wait.h>

using namespace tapioca;
using kind = resolver_watcher::report::kind;

namespace {

constexpr int patience_ms = 10'000, silence_ms = 300;

std::optional<resolver_watcher::report> next(resolver_watcher& watcher, int ms = patience_ms)
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{ms};
    for (;;) {
        if (auto report = watcher.take())
            return report;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd on{watcher.descriptor(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&on, 1, static_cast<int>(left.count())) <= 0)
            return std::nullopt;
    }
}

/// Reports may tell of a step in between: it is the last one that counts.
bool comes_to_say(resolver_watcher& watcher, const std::string& text)
{
    while (const auto report = next(watcher))
        if (report->what == kind::text && report->text == text)
            return true;
    return false;
}

struct watched {
    temporary_tree tree;
    std::optional<resolver_watcher> watcher;

    void begin(std::string_view name)
    {
        auto started = resolver_watcher::start(tree.path(name).c_str());
        REQUIRE(started.has_value());
        watcher = std::move(*started);
    }
    ~watched()
    {
        if (watcher) {
            watcher->stop();
            ::wait(nullptr); // the guardian ends with us
        }
    }
};

} // namespace

TEST_CASE("the watcher tells what the file says, and what it says when that has changed")
{
    watched w;
    w.tree.write("conf", "nameserver 192.0.2.1\n");
    w.begin("conf");
    const auto first = next(*w.watcher);
    REQUIRE(first.has_value());
    CHECK((first->what == kind::text && first->text == "nameserver 192.0.2.1\n"));

    w.tree.write("conf", "nameserver 192.0.2.2\n");
    CHECK(comes_to_say(*w.watcher, "nameserver 192.0.2.2\n"));
    w.tree.write("new", "nameserver 192.0.2.3\n");
    w.tree.rename("new", "conf");
    CHECK(comes_to_say(*w.watcher, "nameserver 192.0.2.3\n"));
    w.tree.write("conf", "nameserver 192.0.2.4\n"); // of the file that has taken its place
    CHECK(comes_to_say(*w.watcher, "nameserver 192.0.2.4\n"));
    w.tree.write("other", "nameserver 192.0.2.5\n");
    CHECK_FALSE(next(*w.watcher, silence_ms).has_value());
    w.tree.write("conf", "nameserver 192.0.2.4\n"); // the same
    CHECK_FALSE(next(*w.watcher, silence_ms).has_value());
}

TEST_CASE("the watcher follows links that are exchanged, at every place of the way")
{
    watched w;
    w.tree.directory("a");
    w.tree.directory("b");
    w.tree.write("a/conf", "in a");
    w.tree.write("b/conf", "in b");
    w.tree.write("c", "in c");
    w.tree.link("now", w.tree.path("a"));
    w.tree.link("conf", "now/conf");
    w.begin("conf");
    CHECK(comes_to_say(*w.watcher, "in a"));
    w.tree.link("then", w.tree.path("b"));
    w.tree.rename("then", "now");
    CHECK(comes_to_say(*w.watcher, "in b"));
    w.tree.write("a/conf", "in the one before");
    CHECK_FALSE(next(*w.watcher, silence_ms).has_value());
    w.tree.write("b/conf", "in b again");
    CHECK(comes_to_say(*w.watcher, "in b again"));
    w.tree.link("new", "c");
    w.tree.rename("new", "conf");
    CHECK(comes_to_say(*w.watcher, "in c"));
}

TEST_CASE("a file that goes is reported, and comes back; so do directories that were never there")
{
    watched w;
    w.tree.directory("run");
    w.tree.link("conf", "run/systemd/resolve/stub");
    w.begin("conf");
    auto report = next(*w.watcher);
    REQUIRE(report.has_value());
    CHECK((report->what == kind::unreadable && report->error == ENOENT));
    w.tree.directory("run/systemd");
    w.tree.directory("run/systemd/resolve");
    w.tree.write("run/systemd/resolve/stub", "there");
    CHECK(comes_to_say(*w.watcher, "there"));
    w.tree.remove("run/systemd");
    report = next(*w.watcher);
    REQUIRE(report.has_value());
    CHECK((report->what == kind::unreadable && report->error == ENOENT));
    w.tree.directory("run/systemd/resolve");
    w.tree.write("run/systemd/resolve/stub", "there");
    CHECK(comes_to_say(*w.watcher, "there"));
    w.tree.remove("run/systemd/resolve/stub");
    w.tree.directory("run/systemd/resolve/stub");
    while ((report = next(*w.watcher)) && report->error != EISDIR)
        ;
    CHECK(report.has_value());
}

TEST_CASE("a long text comes whole, and of one that is too long the beginning")
{
    watched w;
    std::string text;
    while (text.size() < 3 * longest_text / 4)
        text += "# line " + std::to_string(text.size()) + "\n";
    w.tree.write("conf", text);
    w.begin("conf");
    CHECK(comes_to_say(*w.watcher, text));
    w.tree.write("new", text + text); // at once, or a part of it is seen
    w.tree.rename("new", "conf");
    CHECK(comes_to_say(*w.watcher, (text + text).substr(0, longest_text)));
    w.tree.write("conf", "");
    CHECK(comes_to_say(*w.watcher, ""));
}

TEST_CASE("a watcher that comes to its end says so")
{
    auto started = resolver_watcher::start("/dev/null/nowhere");
    REQUIRE(started.has_value());
    auto report = next(*started);
    REQUIRE(report.has_value());
    CHECK((report->what == kind::unreadable && report->error == ENOTDIR));
    started->stop();
    int status = -1;
    CHECK(::wait(&status) > 0); // the guardian, and with it the watcher
    CHECK(status == 0);
}
