#include "daemon/os/socket_diag.hpp"

#include "daemon/os/socket.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

using namespace tapioca;

namespace {

constexpr octet tcp = wire::protocol_tcp, udp = wire::protocol_udp;
constexpr ip_address loopback4 = ip_address::v4(127, 0, 0, 1);
constexpr ip_address loopback6 = ip_address::v6({0, 0, 0, 0, 0, 0, 0, 1});

struct bound_socket {
    os::unique_fd fd;
    endpoint local;

    std::uint16_t port() const { return local.port; }
};

bound_socket bind_socket(int type, const ip_address& address)
{
    bound_socket s{os::unique_fd{::socket(address.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0)}, {}};
    REQUIRE(os::bind(s.fd.get(), {address, 0}).has_value());
    s.local = os::local_endpoint(s.fd.get()).value();
    return s;
}

bool is_bound(os::socket_diag& diag, octet protocol, std::uint16_t port)
{
    port_set ports;
    REQUIRE(diag.add_bound_ports(protocol, ports).has_value());
    CHECK_FALSE(ports.test(0));
    return ports.test(port);
}

/// What answers in the place of the kernel: messages that lie ready, a datagram each call of `send`.
class script {
    os::unique_fd peer_;
    std::vector<char> datagram_;

public:
    os::socket_diag diag = connected();

    template <class Payload>
    script& message(std::uint16_t type, std::uint32_t sequence, const Payload& payload, std::uint16_t flags = NLM_F_MULTI)
    {
        nlmsghdr header{};
        header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof payload));
        header.nlmsg_type = type;
        header.nlmsg_flags = flags;
        header.nlmsg_seq = sequence;
        const auto at = datagram_.size();
        datagram_.resize(at + NLMSG_ALIGN(header.nlmsg_len));
        std::memcpy(datagram_.data() + at, &header, sizeof header);
        std::memcpy(datagram_.data() + at + NLMSG_HDRLEN, &payload, sizeof payload);
        return *this;
    }
    script& port(std::uint32_t sequence, std::uint16_t number, std::uint16_t flags = NLM_F_MULTI)
    {
        inet_diag_msg m{};
        m.id.idiag_sport = htons(number);
        return message(SOCK_DIAG_BY_FAMILY, sequence, m, flags);
    }
    script& done(std::uint32_t sequence, std::uint16_t flags = NLM_F_MULTI) { return message(NLMSG_DONE, sequence, 0, flags); }
    script& error(std::uint32_t sequence, int number) { return message(NLMSG_ERROR, sequence, nlmsgerr{-number, nlmsghdr{}}, 0); }
    /// A message's header alone, with a length that is not true.
    script& length(std::uint32_t sequence, std::uint32_t octets)
    {
        message(SOCK_DIAG_BY_FAMILY, sequence, 0);
        const auto at = datagram_.size() - NLMSG_SPACE(sizeof(int));
        std::memcpy(datagram_.data() + at, &octets, sizeof octets);
        return *this;
    }
    void send()
    {
        REQUIRE(::send(peer_.get(), datagram_.data(), datagram_.size(), 0) == static_cast<ssize_t>(datagram_.size()));
        datagram_.clear();
    }
    std::size_t requests() const
    {
        octet request[256];
        std::size_t count = 0;
        while (::recv(peer_.get(), request, sizeof request, MSG_DONTWAIT) > 0)
            ++count;
        return count;
    }

private:
    os::socket_diag connected()
    {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        peer_.reset(ends[1]);
        return os::socket_diag{os::unique_fd{ends[0]}};
    }
};

} // namespace

TEST_CASE("listening TCP sockets appear while they listen, in both families")
{
    auto diag = os::socket_diag::open();
    REQUIRE(diag.has_value());
    for (const auto& address : {loopback4, loopback6}) {
        auto socket = bind_socket(SOCK_STREAM, address);
        CHECK_FALSE(is_bound(*diag, tcp, socket.port())); // bound is not listening
        REQUIRE(::listen(socket.fd.get(), 1) == 0);
        CHECK(is_bound(*diag, tcp, socket.port()));
        CHECK_FALSE(is_bound(*diag, udp, socket.port()));
        socket.fd.reset();
        CHECK_FALSE(is_bound(*diag, tcp, socket.port()));
    }
}

TEST_CASE("UDP sockets appear while they are bound and have no peer, in both families")
{
    auto diag = os::socket_diag::open();
    REQUIRE(diag.has_value());
    for (const auto& address : {loopback4, loopback6}) {
        auto socket = bind_socket(SOCK_DGRAM, address);
        CHECK(is_bound(*diag, udp, socket.port()));
        CHECK_FALSE(is_bound(*diag, tcp, socket.port()));
        const auto peer = bind_socket(SOCK_DGRAM, address);
        REQUIRE(os::connect(socket.fd.get(), peer.local).has_value());
        CHECK_FALSE(is_bound(*diag, udp, socket.port()));
        CHECK(is_bound(*diag, udp, peer.port()));
        socket.fd.reset();
        CHECK_FALSE(is_bound(*diag, udp, socket.port()));
    }
}

TEST_CASE("a dual-stack socket appears; connections do not")
{
    auto diag = os::socket_diag::open();
    REQUIRE(diag.has_value());
    auto listener = bind_socket(SOCK_STREAM, ip_address{});
    REQUIRE(::listen(listener.fd.get(), 1) == 0);
    CHECK(is_bound(*diag, tcp, listener.port()));
    auto client = bind_socket(SOCK_STREAM, loopback6);
    REQUIRE(os::connect(client.fd.get(), {loopback6, listener.port()}).has_value());
    CHECK_FALSE(is_bound(*diag, tcp, client.port()));
    const os::unique_fd accepted{::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    REQUIRE(accepted.get() >= 0);
    listener.fd.reset();
    CHECK_FALSE(is_bound(*diag, tcp, listener.port()));
}

TEST_CASE("ports are added to those that the set has, from any thread")
{
    auto diag = os::socket_diag::open();
    REQUIRE(diag.has_value());
    const auto socket = bind_socket(SOCK_DGRAM, loopback4);
    port_set ports;
    ports.set(1);
    std::thread{[&] { REQUIRE(diag->add_bound_ports(udp, ports).has_value()); }}.join();
    CHECK(ports.test(1));
    CHECK(ports.test(socket.port()));
}

TEST_CASE("a kernel without diagnosis for a protocol says so")
{
    auto diag = os::socket_diag::open();
    REQUIRE(diag.has_value());
    port_set ports;
    const auto done = diag->add_bound_ports(254, ports); // RFC 3692: for experiments
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().value() == ENOENT);
    CHECK(diag->add_bound_ports(tcp, ports).has_value());
}

TEST_CASE("the answers of both families make one set; port 0 and what is not a socket are passed over")
{
    script s;
    s.port(1, 80).port(1, 0).send();
    s.port(1, 65535).message(NLMSG_NOOP, 1, 0).done(1).send();
    s.port(2, 443).done(2).send();
    port_set ports, expected;
    for (const std::uint16_t p : std::vector<std::uint16_t>{80, 443, 65535})
        expected.set(p);
    CHECK(s.diag.add_bound_ports(tcp, ports).has_value());
    CHECK(ports == expected);
    CHECK(s.requests() == 2);
}

TEST_CASE("messages of an earlier dump are passed over")
{
    script s;
    s.port(77, 80).done(77).send();
    s.port(1, 81).done(1).send();
    s.done(2).send();
    port_set ports;
    CHECK(s.diag.add_bound_ports(tcp, ports).has_value());
    CHECK_FALSE(ports.test(80));
    CHECK(ports.test(81));
}

TEST_CASE("an interrupted dump is repeated once")
{
    for (const auto flagged : {0, 1}) { // the flag may be on any message
        script s;
        s.port(1, 80, flagged == 0 ? NLM_F_MULTI | NLM_F_DUMP_INTR : NLM_F_MULTI).send();
        s.done(1, flagged == 1 ? NLM_F_MULTI | NLM_F_DUMP_INTR : NLM_F_MULTI).send();
        s.port(2, 81).done(2).send();
        s.done(3).send();
        port_set ports;
        CHECK(s.diag.add_bound_ports(tcp, ports).has_value());
        CHECK(ports.test(81));
        CHECK(s.requests() == 3);
    }
    script s;
    s.done(1, NLM_F_MULTI | NLM_F_DUMP_INTR).send();
    s.done(2, NLM_F_MULTI | NLM_F_DUMP_INTR).send();
    port_set ports;
    CHECK(s.diag.add_bound_ports(tcp, ports).error().value() == EINTR);
    CHECK(s.requests() == 2);
}

TEST_CASE("a kernel that is busy with a forgotten dump is asked again when that has been read")
{
    script s;
    s.port(77, 80).send();
    s.error(1, EBUSY).send();
    s.port(77, 81).done(77).send();
    port_set ports;
    // Nothing answers the second request, but the forgotten dump is out of the way.
    CHECK(s.diag.add_bound_ports(tcp, ports).error().value() == EAGAIN);
    CHECK(s.requests() == 2);
    s.port(3, 82).done(3).send();
    s.done(4).send();
    CHECK(s.diag.add_bound_ports(tcp, ports).has_value());
    CHECK_FALSE(ports.test(80));
    CHECK(ports.test(82));
}

TEST_CASE("a message that claims more octets than there are, or than there can be, ends what was read")
{
    for (const std::uint32_t claimed : {0U, 15U, 4096U, 0x7fff'fff0U, 0x8000'0000U, 0xffff'fff0U}) {
        script s;
        s.port(1, 1001).length(1, claimed).port(1, 1002).send();
        s.done(1).send();
        s.done(2).send();
        port_set ports;
        CHECK(s.diag.add_bound_ports(tcp, ports).has_value());
        CHECK(ports.test(1001));
        CHECK_FALSE(ports.test(1002));
    }
}

TEST_CASE("a part that was cut off is an error, and the rest of the dump is not left over")
{
    script s;
    for (int i = 0; i < 320; ++i) // 32 KiB hold 366 of them
        s.port(1, static_cast<std::uint16_t>(1000 + i));
    for (int i = 0; i < 80; ++i)
        s.port(1, static_cast<std::uint16_t>(2000 + i));
    s.send();
    s.done(1).send();
    port_set ports;
    CHECK(s.diag.add_bound_ports(tcp, ports).error().value() == EMSGSIZE);
    s.port(2, 82).done(2).send();
    s.done(3).send();
    CHECK(s.diag.add_bound_ports(tcp, ports).has_value());
    CHECK(ports.test(82));
}

TEST_CASE("errors are told: refused, the result of the dump itself, nobody there")
{
    script refused;
    refused.error(1, EPERM).send();
    port_set ports;
    CHECK(refused.diag.add_bound_ports(tcp, ports).error().value() == EPERM);

    script failed;
    failed.port(1, 80).message(NLMSG_DONE, 1, -ENOMEM).send();
    CHECK(failed.diag.add_bound_ports(tcp, ports).error().value() == ENOMEM);

    os::socket_diag closed{os::unique_fd{}};
    CHECK(closed.add_bound_ports(tcp, ports).error().value() == EBADF);
}
