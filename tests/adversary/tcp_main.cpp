// A correct but adversarial TCP, some thousand connections at once: guests of a stream socket, and the sockets that they talk to.
//
//   hostile_tcp SOCKET GUEST4 GUEST6 REMOTE4 REMOTE6 [seed N] [count N] [at-once N] [first N] [patience SECONDS] [reuse 0]
//   [verbose 1]
//
// Runs in the network namespace of the far end. `first N count 1` repeats connection N of a seed by itself. Exit status 1 if any
// connection went wrong; each is named with what it was to do.
#include "tests/adversary/crowd.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <sys/resource.h>

namespace {

tapioca::ip_address address(const char* text)
{
    tapioca::ipv4_octets four;
    tapioca::ipv6_octets six;
    if (::inet_pton(AF_INET, text, four.data()) == 1)
        return tapioca::ip_address{four};
    if (::inet_pton(AF_INET6, text, six.data()) == 1)
        return tapioca::ip_address{six};
    throw std::runtime_error(std::string{text} + " is no address");
}

tapioca::adversary::crowd_options options(int argc, char** argv)
{
    tapioca::adversary::crowd_options o;
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
            o.at_once = static_cast<std::uint32_t>(std::min<unsigned long long>(value, tapioca::adversary::most_slots));
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

} // namespace

int main(int argc, char** argv)
{
    try {
        rlimit files{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
        tapioca::adversary::crowd crowd{options(argc, argv)};
        return crowd.run() ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& e) {
        std::printf("%s\n", e.what());
        return 2;
    }
}
