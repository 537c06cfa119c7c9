#include "seccomp/filter.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace tapioca;
using seccomp::task;

namespace {

constexpr int allowed = 0;
constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

constexpr seccomp::profile passt{task::guest};
constexpr seccomp::profile passt_at_most{task::guest, task::log_file, task::pieces};
constexpr seccomp::profile splice_only_at_most{task::bypass, task::scan, task::watch, task::command, task::log_file};
constexpr seccomp::profile pasta{task::guest, task::bypass, task::watch};
constexpr seccomp::profile pasta_at_most{task::guest,   task::bypass,   task::scan,    task::watch,
                                         task::command, task::log_file, task::carrier, task::pieces};

int ending(int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status);
    return WEXITSTATUS(status) == 128 + SIGSYS ? SIGSYS : WEXITSTATUS(status); // builds that trap
}

/// How a process ends that installs the filter and then does `work`: 0 if all was allowed, SIGSYS if not.
int end_of(seccomp::profile which, const std::function<void()>& work)
{
    const pid_t child = ::fork();
    if (child == 0) {
        seccomp::install(which);
        work();
        ::_exit(allowed);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return ending(status);
}

} // namespace

TEST_CASE("what the profiles list is allowed")
{
    CHECK(end_of(passt, [] {
              const int fd = ::socket(AF_INET, SOCK_DGRAM | flags, IPPROTO_UDP);
              ::close(fd);
              ::sbrk(1 << 20);
          }) == allowed);
}

TEST_CASE("a call that no profile lists ends the process")
{
    CHECK(end_of(pasta_at_most, [] { (void)!::chdir("/"); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { (void)!::setuid(0); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { (void)!::setns(0, 0); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { (void)!::ptrace(PTRACE_TRACEME, 0, 0, 0); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { (void)!::ioctl(0, FIONREAD, nullptr); }) == SIGSYS);
}

TEST_CASE("sockets are of the internet families, and of the three protocols that are translated")
{
    const auto open = [](int family, int type, int protocol, seccomp::profile which = pasta_at_most) {
        return end_of(which, [=] { ::socket(family, type, protocol); });
    };
    CHECK(open(AF_INET6, SOCK_STREAM | flags, IPPROTO_TCP) == allowed);
    CHECK(open(AF_INET, SOCK_DGRAM | flags, IPPROTO_UDP) == allowed);
    CHECK(open(AF_INET6, SOCK_DGRAM | flags, IPPROTO_ICMPV6) == allowed);
    CHECK(open(AF_INET, SOCK_DGRAM | flags, IPPROTO_ICMP, splice_only_at_most) == SIGSYS);
    CHECK(open(AF_INET, SOCK_STREAM, IPPROTO_TCP) == SIGSYS);
    CHECK(open(AF_INET, SOCK_STREAM | flags, IPPROTO_MPTCP) == SIGSYS);
    CHECK(open(AF_INET6, SOCK_RAW | flags, IPPROTO_UDP) == SIGSYS);
    CHECK(open(AF_UNIX, SOCK_STREAM | flags, 0) == SIGSYS);
    CHECK(open(AF_NETLINK, SOCK_RAW | flags, 0) == SIGSYS);
    CHECK(open(AF_PACKET, SOCK_RAW | flags, 0) == SIGSYS);
}

TEST_CASE("only options that somebody sets can be set")
{
    const auto set = [](int level, int name) {
        return end_of(passt, [=] {
            const int value = 1, fd = ::socket(AF_INET, SOCK_STREAM | flags, IPPROTO_TCP);
            ::setsockopt(fd, level, name, &value, sizeof value);
        });
    };
    CHECK(set(SOL_SOCKET, SO_KEEPALIVE) == allowed);
    CHECK(set(IPPROTO_TCP, TCP_KEEPIDLE) == allowed);
    CHECK(set(IPPROTO_TCP, TCP_NODELAY) == allowed);
    CHECK(set(SOL_SOCKET, SO_ATTACH_FILTER) == SIGSYS);
    CHECK(set(IPPROTO_TCP, TCP_ULP) == SIGSYS);
    CHECK(set(IPPROTO_TCP, TCP_REPAIR) == SIGSYS);
    CHECK(set(IPPROTO_IP, IP_ADD_MEMBERSHIP) == SIGSYS);
    CHECK(set(IPPROTO_IPV6, IPV6_PKTINFO) == SIGSYS);
    CHECK(end_of(passt, [] {
              int value = 0;
              socklen_t size = sizeof value;
              ::getsockopt(0, SOL_SOCKET, SO_ERROR, &value, &size);
          }) == allowed);
    CHECK(end_of(passt, [] {
              int value = 0;
              socklen_t size = sizeof value;
              ::getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &size);
          }) == SIGSYS);
}

TEST_CASE("what a run was not asked to do, it cannot do")
{
    const auto lists = [](seccomp::profile which) { return end_of(which, [] { ::listen(-1, 1); }); };
    CHECK(lists(seccomp::profile{task::scan}) == allowed);
    CHECK(lists(pasta) == SIGSYS);
    const auto splices = [](seccomp::profile which) { return end_of(which, [] { ::splice(-1, nullptr, -1, nullptr, 1, 0); }); };
    CHECK(splices(seccomp::profile{task::bypass}) == allowed);
    CHECK(splices(passt_at_most) == SIGSYS);
    const auto waits = [](seccomp::profile which) { return end_of(which, [] { ::waitpid(-1, nullptr, WNOHANG); }); };
    CHECK(waits(seccomp::profile{task::command}) == allowed);
    const auto writes_pieces = [](seccomp::profile which) { return end_of(which, [] { (void)!::writev(-1, nullptr, 0); }); };
    CHECK(writes_pieces(passt_at_most) == allowed);
    CHECK(writes_pieces(passt) == SIGSYS);
    const auto takes_carrier = [](seccomp::profile which) {
        return end_of(which, [] { (void)!::ioctl(-1, TUNSETCARRIER, nullptr); });
    };
    CHECK(takes_carrier({task::guest, task::carrier}) == allowed);
    CHECK(takes_carrier({task::guest, task::bypass, task::watch, task::command}) == SIGSYS);
    CHECK(end_of({task::guest, task::carrier}, [] { (void)!::ioctl(-1, TUNSETPERSIST, 1); }) == SIGSYS);
    const auto logs = [](seccomp::profile which) { return end_of(which, [] { (void)!::pwrite(-1, "", 0, 0); }); };
    CHECK(logs(passt_at_most) == allowed);
    CHECK(logs(passt) == SIGSYS);
}

#ifndef TAPIOCA_SANITIZED // sanitizers open files, map memory, start programs and look at their threads as they like
TEST_CASE("pasta may look for a name, not open a file; passt may do neither")
{
    const auto look = [] { ::openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC); };
    CHECK(end_of(pasta, look) == allowed);
    CHECK(end_of(passt_at_most, look) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { ::openat(AT_FDCWD, "/dev/null", O_RDONLY); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { ::openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CREAT, 0600); }) == SIGSYS);
}

TEST_CASE("there is no new memory but the heap's, no other program, no other thread")
{
    const auto map = [](int protection) {
        return end_of(pasta_at_most, [=] { ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); });
    };
    CHECK(map(PROT_READ | PROT_WRITE) == SIGSYS);
    CHECK(map(PROT_READ | PROT_EXEC) == SIGSYS);
    static char page[4096];
    CHECK(end_of(pasta_at_most, [] { ::mprotect(page, sizeof page, PROT_READ | PROT_EXEC); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { (void)!::execl("/bin/true", "true", nullptr); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr); }) == SIGSYS);
    CHECK(end_of(pasta_at_most, [] { ::kill(::getppid(), 0); }) == SIGSYS);
}

TEST_CASE("of futexes, waiting and waking")
{
    const auto operate = [](int operation) {
        return end_of(passt, [=] {
            std::uint32_t word = 1;
            ::syscall(SYS_futex, &word, operation, 0, nullptr, nullptr, 0);
        });
    };
    CHECK(operate(FUTEX_WAIT_PRIVATE) == allowed);
    CHECK(operate(FUTEX_WAKE) == allowed);
    CHECK(operate(FUTEX_LOCK_PI) == SIGSYS);
    CHECK(operate(FUTEX_CMP_REQUEUE_PI) == SIGSYS);
}
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
TEST_CASE("a sanitizer can tell what it has found when the process is sealed")
{
    const auto quietly = [](const std::function<void()>& fault) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
            fault();
            ::_exit(allowed);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return ending(status);
    };
#ifdef __SANITIZE_ADDRESS__
    constexpr int reported = 1;
    const auto fault = [] {
        std::vector<char> ten(10);
        volatile std::size_t behind = 10;
        seccomp::install(pasta);
        ten.data()[behind] = 1;
    };
#else
    constexpr int reported = 66;
    const auto fault = [] {
        static int shared = 0;
        std::atomic<bool> sealed = false;
        const auto count = [&sealed] {
            while (!sealed.load(std::memory_order_relaxed))
                ::sched_yield();
            ++shared;
        };
        std::thread one{count}, other{count};
        seccomp::install(pasta);
        sealed.store(true, std::memory_order_relaxed);
        one.join();
        other.join();
    };
#endif
    CHECK(quietly(fault) == reported);
}
#endif

TEST_CASE("the filter reaches threads that were there before")
{
    const pid_t child = ::fork();
    if (child == 0) {
        std::atomic<bool> sealed = false;
        std::thread other{[&] {
            sealed.wait(false);
            (void)!::chdir("/");
        }};
        seccomp::install(pasta);
        sealed = true;
        sealed.notify_all();
        other.join();
        ::_exit(allowed);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(ending(status) == SIGSYS);
}

TEST_CASE("the profiles are smaller than those of the program that they replace")
{
    struct row {
        const char* name;
        seccomp::profile usual, at_most;
        std::size_t peers;
    };
    const row rows[] = {{"passt", passt, passt_at_most, 34},
                        {"pasta", pasta, pasta_at_most, 43},
                        {"pasta --splice-only", {task::bypass, task::watch}, splice_only_at_most, 43}};
    for (const row& r : rows) {
        WARN(r.name << ": " << seccomp::size_of(r.usual) << " system calls, " << seccomp::size_of(r.at_most)
                    << " with every option; the peer's: " << r.peers);
        CHECK(seccomp::size_of(r.at_most) < r.peers);
        CHECK(seccomp::size_of(r.usual) < seccomp::size_of(r.at_most));
    }
    CHECK(seccomp::size_of(splice_only_at_most) < seccomp::size_of(pasta_at_most));
}

TEST_CASE("a guest that shares its memory needs five more system calls, and fewer than the peer has")
{
    constexpr seccomp::profile usual{task::guest, task::vhost};
    WARN("passt --vhost-user: " << seccomp::size_of(usual) << " system calls; the peer's: 36");
    CHECK(seccomp::size_of(usual) < 36);
    CHECK(seccomp::size_of(usual) == seccomp::size_of(passt) + 5);
}

#ifndef TAPIOCA_SANITIZED // whose run time maps whatever it likes
TEST_CASE("shared memory can be mapped as data alone, and nowhere in particular")
{
    constexpr seccomp::profile vhost{task::guest, task::vhost};
    const auto map = [&](int protection, int flags, int fd) {
        return end_of(vhost, [=] { (void)::mmap(nullptr, 4096, protection, flags, fd, 0); });
    };
    constexpr int data = PROT_READ | PROT_WRITE, shared = MAP_SHARED | MAP_NORESERVE;
    CHECK(map(data, shared, -1) == allowed);
    CHECK(map(data | PROT_EXEC, shared, -1) == SIGSYS);
    CHECK(map(data, shared | MAP_FIXED, -1) == SIGSYS);
    CHECK(map(PROT_READ, shared, -1) == SIGSYS);
    CHECK(map(data, MAP_PRIVATE | MAP_ANONYMOUS, -1) == SIGSYS);
    CHECK(map(data, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0) == SIGSYS);
    CHECK(end_of(vhost, [] { (void)::mprotect(nullptr, 4096, PROT_READ | PROT_EXEC); }) == SIGSYS);
}
#endif

TEST_CASE("no table has a line twice, unless for another argument or task")
{
    using condition = std::tuple<unsigned, std::uint32_t, std::uint32_t>;
    std::set<std::tuple<std::string, seccomp::task, std::vector<condition>>> lines;
    for (const auto table : {seccomp::translator_calls(), seccomp::option_calls(), seccomp::pasta_calls(), seccomp::vhost_calls(),
                             seccomp::runtime_calls()})
        for (const auto& call : table) {
            std::vector<condition> conditions;
            for (const auto& test : call.tests)
                conditions.emplace_back(test.index, test.value, test.mask);
            CHECK(lines.emplace(call.name, call.only_for, conditions).second);
        }
}
