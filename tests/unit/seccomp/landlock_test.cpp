#include "seccomp/landlock.hpp"
#include "tests/support/catch.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <thread>

using namespace tapioca;
using landlock::bind_to;
using landlock::connect_to;

namespace {

constexpr int first_with_ports = 4;

/// What `work` returns in a process of its own: layers cannot be taken off again.
int in_child(const std::function<int()>& work)
{
    const pid_t child = ::fork();
    if (child == 0)
        ::_exit(work());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int error_of(int outcome) { return outcome < 0 ? errno : 0; }

int tcp(std::uint16_t port, int (*call)(int, const sockaddr*, socklen_t))
{
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int error = error_of(call(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to));
    ::close(fd);
    return error;
}

constexpr std::uint16_t nobody_listens = 1;

/// A kernel without Landlock: the call is not known.
void forget_landlock()
{
    sock_filter program[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_landlock_create_ruleset},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    const sock_fprog whole{sizeof program / sizeof *program, program};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole);
}

} // namespace

TEST_CASE("each version of Landlock handles what the one before does, and more")
{
    CHECK(landlock::handled_by(0).files == 0);
    CHECK(landlock::handled_by(1).files == 0x1fff);
    CHECK(landlock::handled_by(2).files == 0x3fff);
    CHECK(landlock::handled_by(3).files == 0x7fff);
    CHECK(landlock::handled_by(3).tcp == 0);
    CHECK(landlock::handled_by(4).tcp == 3);
    CHECK(landlock::handled_by(4).files == 0x7fff);
    CHECK(landlock::handled_by(5).files == 0xffff);
    CHECK(landlock::handled_by(5).scopes == 0);
    CHECK(landlock::handled_by(6).scopes == 3);
    CHECK(landlock::handled_by(99).files == landlock::handled_by(6).files);
}

TEST_CASE("where the kernel has no Landlock nothing changes")
{
    CHECK(in_child([] {
              forget_landlock();
              if (landlock::kernel_abi() != 0 || landlock::confine(bind_to::nothing, connect_to::nobody))
                  return 1;
              return error_of(::open("/dev/null", O_RDONLY)) + tcp(0, ::bind);
          }) == 0);
}

TEST_CASE("confined threads open no file, but may look for a name, and use what is open")
{
    if (landlock::kernel_abi() == 0) {
        WARN("this kernel has no Landlock");
        return;
    }
    CHECK(in_child([] {
              const int before = ::open("/dev/zero", O_RDONLY);
              landlock::confine(bind_to::any_port, connect_to::anybody);
              return ::open("/dev/zero", O_RDONLY) >= 0 || error_of(::openat(AT_FDCWD, "/dev/zero", O_PATH)) != 0
                         ? 1
                         : error_of(static_cast<int>(::read(before, nullptr, 0)));
          }) == 0);
}

TEST_CASE("a thread may bind and connect TCP sockets as far as it is told")
{
    if (landlock::kernel_abi() < first_with_ports) {
        WARN("this kernel's Landlock knows no ports");
        return;
    }
    const auto outcome = [](bind_to bind, connect_to connect, std::uint16_t port, int (*call)(int, const sockaddr*, socklen_t)) {
        return in_child([=] { return landlock::confine(bind, connect) ? tcp(port, call) : -1; });
    };
    constexpr std::uint16_t some_port = 30000;
    CHECK(outcome(bind_to::nothing, connect_to::anybody, 0, ::bind) == EACCES);
    CHECK(outcome(bind_to::port_of_the_kernels_choice, connect_to::anybody, 0, ::bind) == 0);
    CHECK(outcome(bind_to::port_of_the_kernels_choice, connect_to::anybody, some_port, ::bind) == EACCES);
    CHECK(outcome(bind_to::any_port, connect_to::nobody, some_port, ::bind) != EACCES); // somebody may have the port
    CHECK(outcome(bind_to::any_port, connect_to::nobody, nobody_listens, ::connect) == EACCES);
    CHECK(outcome(bind_to::nothing, connect_to::anybody, nobody_listens, ::connect) == ECONNREFUSED);
}

TEST_CASE("a layer belongs to a thread and to those that it starts afterwards")
{
    if (landlock::kernel_abi() < first_with_ports) {
        WARN("this kernel's Landlock knows no ports");
        return;
    }
    CHECK(in_child([] {
              int of_the_other = -1, of_its_child = -1;
              std::thread{[&] {
                  landlock::confine(bind_to::any_port, connect_to::nobody);
                  of_the_other = tcp(nobody_listens, ::connect);
                  std::thread{[&] { of_its_child = tcp(nobody_listens, ::connect); }}.join();
              }}.join();
              return of_the_other == EACCES && of_its_child == EACCES && tcp(nobody_listens, ::connect) == ECONNREFUSED ? 0 : 1;
          }) == 0);
}
