// What sockets of an ordinary user may do and tell: errors of datagrams with their ICMP message, binding to an interface.
#include "daemon/os/unique_fd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tapioca;

namespace {

/// A connected UDP socket whose peer's port is closed.
os::unique_fd towards_closed_port(int family)
{
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET)
        reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        reinterpret_cast<sockaddr_in6&>(address).sin6_addr = IN6ADDR_LOOPBACK_INIT;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    os::unique_fd closed{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!closed || ::bind(closed.get(), any, length) != 0)
        test::skip("no loopback address of this family");
    REQUIRE(::getsockname(closed.get(), any, &length) == 0);
    os::unique_fd fd{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(fd.get(), any, length) == 0);
    closed.reset();
    return fd;
}

struct told_error {
    sock_extended_err error{};
    std::string datagram; ///< the one that caused it
};

told_error read_error(int fd)
{
    std::array<char, 100> data{};
    alignas(cmsghdr) std::array<char, 512> control{};
    iovec vector{data.data(), data.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto n = ::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    REQUIRE(n >= 0);
    told_error told;
    told.datagram.assign(data.data(), static_cast<std::size_t>(n));
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_type == IP_RECVERR || c->cmsg_type == IPV6_RECVERR)
            std::memcpy(&told.error, CMSG_DATA(c), sizeof told.error);
    return told;
}

} // namespace

TEST_CASE("with IP_RECVERR a UDP socket keeps the ICMP message beside the datagram that caused it, and poll tells of it",
          "[error_queue]")
{
    for (const int family : {AF_INET, AF_INET6}) {
        const auto fd = towards_closed_port(family);
        const int on = 1;
        REQUIRE((family == AF_INET ? ::setsockopt(fd.get(), IPPROTO_IP, IP_RECVERR, &on, sizeof on)
                                   : ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on)) == 0);
        REQUIRE(::send(fd.get(), "hello", 5, 0) == 5);
        pollfd waiting{fd.get(), 0, 0};
        REQUIRE(::poll(&waiting, 1, 1000) == 1);
        CHECK((waiting.revents & POLLERR) != 0);
        const auto told = read_error(fd.get());
        CHECK(told.datagram == "hello");
        CHECK(told.error.ee_errno == ECONNREFUSED);
        CHECK(told.error.ee_origin == (family == AF_INET ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6));
        CHECK(told.error.ee_type == (family == AF_INET ? 3 : 1)); // destination unreachable
        CHECK(told.error.ee_code == (family == AF_INET ? 3 : 4)); // port
    }
}

TEST_CASE("an ordinary user may bind a fresh socket to an interface, and may not bind it to another", "[bind_to_device]")
{
    test::needs_kernel(5, 7, "SO_BINDTODEVICE without CAP_NET_RAW");
    const pid_t child = ::fork();
    if (child == 0) { // the identity is the child's alone
        constexpr uid_t ordinary = 65534;
        if (::geteuid() == 0 && ::setresuid(ordinary, ordinary, ordinary) != 0)
            ::_exit(77);
        const os::unique_fd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        if (::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0)
            ::_exit(1);
        ::_exit(::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "", 1) != 0 && errno == EPERM ? 0 : 2);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        test::skip("no right to become an ordinary user");
    CHECK(WEXITSTATUS(status) == 0);
}
