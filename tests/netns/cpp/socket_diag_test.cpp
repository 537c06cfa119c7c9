// Which ports are bound in a namespace with ten thousand sockets, and what the answer costs compared with /proc/net. The times
// are printed and decide nothing.
#include "daemon/netns/interface.hpp"
#include "daemon/os/socket_diag.hpp"
#include "proto/forward/port_scan.hpp"
#include "proto/wire/protocol.hpp"
#include "seccomp/capabilities.hpp"
#include "seccomp/filter.hpp"
#include "tests/netns/cpp/simulated_host.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <vector>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr octet tcp = wire::protocol_tcp, udp = wire::protocol_udp;
constexpr std::uint16_t first_port = 10000, port_count = 10000;

using sockets = std::vector<os::unique_fd>;

void require(bool fine, const char* what)
{
    if (!fine)
        throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in loopback(std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

os::unique_fd bound(int type, std::uint16_t port)
{
    os::unique_fd fd{::socket(AF_INET, type | SOCK_CLOEXEC, 0)};
    require(fd.get() >= 0, "socket");
    const auto address = loopback(port);
    require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
    return fd;
}

sockets many(int type)
{
    sockets all;
    for (std::uint16_t i = 0; i < port_count; ++i) {
        all.push_back(bound(type, static_cast<std::uint16_t>(first_port + i)));
        if (type == SOCK_STREAM)
            require(::listen(all.back().get(), 1) == 0, "listen");
    }
    return all;
}

/// Both ends of half as many connections.
sockets connections()
{
    const auto listener = bound(SOCK_STREAM, first_port);
    require(::listen(listener.get(), 128) == 0, "listen");
    const auto address = loopback(first_port);
    sockets all;
    while (all.size() < port_count) {
        all.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        require(::connect(all.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
        all.emplace_back(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        require(all.back().get() >= 0, "accept");
    }
    return all;
}

/// The median processor time of a call, in milliseconds.
template <class Call>
double cost_of(Call call)
{
    const auto now = [] {
        timespec t{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
    };
    std::vector<double> times;
    for (int i = 0; i < 21; ++i) {
        const auto start = now();
        call();
        times.push_back(now() - start);
    }
    std::nth_element(times.begin(), times.begin() + 10, times.end());
    return times[10];
}

bound_ports read_all(os::socket_diag& diag)
{
    bound_ports ports;
    for (const auto protocol : {tcp, udp}) {
        const auto done = diag.add_bound_ports(protocol, protocol == tcp ? ports.tcp : ports.udp);
        if (!done)
            throw std::system_error(done.error().value(), std::generic_category(), "sock_diag");
    }
    return ports;
}

/// Reads the four tables through descriptors that stay open, without looking at what they say.
class proc_tables {
public:
    proc_tables()
    {
        for (const auto* name : {"tcp", "tcp6", "udp", "udp6"}) {
            files_.emplace_back(::open((std::string{"/proc/thread-self/net/"} + name).c_str(), O_RDONLY | O_CLOEXEC));
            require(files_.back().get() >= 0, name);
        }
    }
    void read()
    {
        for (const auto& file : files_) {
            require(::lseek(file.get(), 0, SEEK_SET) == 0, "lseek");
            ssize_t n = 0;
            while ((n = ::read(file.get(), buffer_.data(), buffer_.size())) > 0) {
            }
            require(n == 0, "read");
        }
    }

private:
    std::vector<os::unique_fd> files_;
    std::vector<char> buffer_ = std::vector<char>(65536);
};

std::size_t count(const port_set& ports)
{
    std::size_t n = 0;
    ports.for_each([&](std::uint16_t) { ++n; });
    return n;
}

void measure(findings& found, const char* topic)
{
    auto diag = os::socket_diag::open();
    require(diag.has_value(), "socket_diag");
    const auto ports = read_all(*diag);
    found.add(topic, std::to_string(count(ports.tcp)) + " TCP, " + std::to_string(count(ports.udp)) + " UDP");
    proc_tables proc;
    char text[100];
    std::snprintf(text, sizeof text, "sock_diag %.3f ms, /proc/net %.3f ms", cost_of([&] { static_cast<void>(read_all(*diag)); }),
                  cost_of([&] { proc.read(); }));
    found.add("cost", std::string{topic} + ": " + text);
}

/// Asks for a dump and walks away before the answer is read.
void ask_and_forget(int fd)
{
    struct {
        nlmsghdr header;
        inet_diag_req_v2 wanted;
    } request{};
    request.header = {sizeof request, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 4711, 0};
    request.wanted.sdiag_family = AF_INET;
    request.wanted.sdiag_protocol = IPPROTO_TCP;
    request.wanted.idiag_states = 1U << TCP_LISTEN;
    require(::send(fd, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request), "send");
}

/// Scans both directions of two sides with these ports, as the daemon does each second.
double cost_of_decision(const bound_ports& ports)
{
    forward_rules rules;
    for (const auto protocol : {tcp, udp}) {
        forward_rule rule;
        rule.protocol = protocol;
        rule.scan = true;
        rule.first = rule.target_first = 1;
        rule.last = 65535;
        rules.push_back(rule);
    }
    std::vector<scan_word> memory(port_scan::words_for(rules, rules));
    port_scan scan{rules, rules, memory};
    return cost_of([&] { scan.update(ports, ports, [](const scan_change&) {}); });
}

void with_sockets(findings& found)
{
    rlimit limit{};
    require(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    require(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    if (limit.rlim_max < port_count + 100)
        throw std::runtime_error("too few descriptors");
    bring_up_loopback();
    measure(found, "nothing");
    {
        const auto listeners = many(SOCK_STREAM);
        measure(found, "10000 listening TCP sockets");
        const os::unique_fd diag{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
        ask_and_forget(diag.get());
        os::socket_diag later{os::unique_fd{::dup(diag.get())}};
        const auto ports = read_all(later);
        found.add("after a forgotten dump", std::to_string(count(ports.tcp)));
        char text[100];
        std::snprintf(text, sizeof text, "both directions decided: %.3f ms", cost_of_decision(ports));
        found.add("cost", text);
    }
    {
        const auto bound_sockets = many(SOCK_DGRAM);
        measure(found, "10000 UDP sockets");
    }
    const auto ends = connections();
    measure(found, "10000 sockets of TCP connections");
}

} // namespace

TEST_CASE("ten thousand sockets: all that are bound are found, connections are passed over")
{
    const auto found = in_namespaces(with_sockets);
    if (!found["error"].empty() && found["error"][0] == "too few descriptors") {
        WARN("skipped: ten thousand sockets need a higher limit of descriptors (ulimit -n)");
        return;
    }
    CHECK(found["error"] == lines{});
    CHECK(found["nothing"] == lines{"0 TCP, 0 UDP"});
    CHECK(found["10000 listening TCP sockets"] == lines{"10000 TCP, 0 UDP"});
    CHECK(found["after a forgotten dump"] == lines{"10000"});
    CHECK(found["10000 UDP sockets"] == lines{"0 TCP, 10000 UDP"});
    CHECK(found["10000 sockets of TCP connections"] == lines{"0 TCP, 0 UDP"});
    for (const auto& line : found["cost"])
        std::printf("%s\n", line.c_str());
}

TEST_CASE("a diagnosis socket tells of the namespace where it was opened, from another one, without capabilities, and sealed")
{
    const auto found = in_namespaces([](findings& f) {
        bring_up_loopback();
        auto diag = os::socket_diag::open();
        require(diag.has_value(), "socket_diag");
        const auto listener = bound(SOCK_STREAM, 80);
        require(::listen(listener.get(), 1) == 0, "listen");
        const auto there = bound(SOCK_DGRAM, 53);
        enter_new_network();
        bring_up_loopback();
        const auto here = bound(SOCK_DGRAM, 54);
        capabilities::limit_to(0);
        seccomp::install({seccomp::task::scan});
        const auto ports = read_all(*diag);
        ports.tcp.for_each([&](std::uint16_t p) { f.add("tcp", std::to_string(p)); });
        ports.udp.for_each([&](std::uint16_t p) { f.add("udp", std::to_string(p)); });
    });
    CHECK(found["error"] == lines{});
    CHECK(found["tcp"] == lines{"80"});
    CHECK(found["udp"] == lines{"53"});
}
