#include "tests/adversary/sockets.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/resource.h>
#include <unistd.h>

namespace tapioca::adversary {
namespace {

ip_address address(const char* text)
{
    ipv4_octets four;
    ipv6_octets six;
    if (::inet_pton(AF_INET, text, four.data()) == 1)
        return ip_address{four};
    if (::inet_pton(AF_INET6, text, six.data()) == 1)
        return ip_address{six};
    throw std::runtime_error(std::string{text} + " is no address");
}

} // namespace

socket_address to_socket(const endpoint& e)
{
    socket_address s;
    if (e.address.is_v4()) {
        auto& in = reinterpret_cast<sockaddr_in&>(s.storage);
        in.sin_family = AF_INET;
        in.sin_port = htons(e.port);
        std::memcpy(&in.sin_addr, e.address.v4_octets().data(), 4);
        s.length = sizeof in;
    } else {
        auto& in = reinterpret_cast<sockaddr_in6&>(s.storage);
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(e.port);
        std::memcpy(&in.sin6_addr, e.address.octets().data(), 16);
        s.length = sizeof in;
    }
    return s;
}

endpoint from_socket(const socket_address& s)
{
    if (s.storage.ss_family == AF_INET) {
        const auto& in = reinterpret_cast<const sockaddr_in&>(s.storage);
        return {ip_address::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
    }
    const auto& in = reinterpret_cast<const sockaddr_in6&>(s.storage);
    ipv6_octets octets;
    std::memcpy(octets.data(), &in.sin6_addr, 16);
    return {ip_address{octets}, ntohs(in.sin6_port)};
}

std::uint16_t own_port(int descriptor)
{
    socket_address s;
    ::getsockname(descriptor, s.get(), &s.length);
    return from_socket(s).port;
}

int bound_socket(const endpoint& at, int type)
{
    const int s = ::socket(at.address.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1;
    if (type == SOCK_STREAM)
        ::setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    auto where = to_socket(at);
    if (s < 0 || ::bind(s, where.get(), where.length) == 0)
        return s;
    ::close(s);
    return -1;
}

crowd_options read_options(int argc, char** argv)
{
    crowd_options o;
    if (argc < 6 || argc % 2 != 0)
        throw std::runtime_error("see the head of the source");
    o.socket = argv[1];
    o.guest4 = address(argv[2]);
    o.guest6 = address(argv[3]);
    o.remote4 = address(argv[4]);
    o.remote6 = address(argv[5]);
    for (int i = 6; i < argc; i += 2) {
        const std::string name = argv[i];
        const auto value = std::strtoull(argv[i + 1], nullptr, 10);
        if (name == "seed")
            o.seed = value;
        else if (name == "count")
            o.count = value;
        else if (name == "at-once")
            o.at_once = static_cast<std::uint32_t>(value);
        else if (name == "first")
            o.first = value;
        else if (name == "patience")
            o.patience = std::chrono::seconds{value};
        else if (name == "reuse")
            o.reuses_ports = value != 0;
        else if (name == "verbose")
            o.verbose = value != 0;
        else
            throw std::runtime_error("no option " + name);
    }
    return o;
}

void raise_descriptor_limit()
{
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

} // namespace tapioca::adversary
