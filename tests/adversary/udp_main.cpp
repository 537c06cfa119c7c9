// Exchanges of datagrams of every size with changing peers: a guest of packets on a stream socket, and the sockets that it talks
// to.
//
//   hostile_udp SOCKET GUEST4 GUEST6 REMOTE4 REMOTE6 [seed N] [count N] [at-once N] [first N] [patience SECONDS]
//
// Runs in the network namespace of the far end, which has the two addresses behind each of REMOTE4 and REMOTE6, too. Exit status
// 1 if any exchange went wrong.
#include "tests/adversary/datagrams.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

int main(int argc, char** argv)
{
    try {
        tapioca::adversary::raise_descriptor_limit();
        tapioca::adversary::datagram_crowd crowd{tapioca::adversary::read_options(argc, argv)};
        return crowd.run() ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& e) {
        std::printf("%s\n", e.what());
        return 2;
    }
}
