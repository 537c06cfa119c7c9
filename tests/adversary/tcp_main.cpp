// A correct but adversarial TCP, some thousand connections at once: guests of a stream socket, and the sockets that they talk to.
//
//   hostile_tcp SOCKET GUEST4 GUEST6 REMOTE4 REMOTE6 [seed N] [count N] [at-once N] [first N] [patience SECONDS] [reuse 0]
//   [verbose 1]
//
// Runs in the network namespace of the far end. `first N count 1` repeats connection N of a seed by itself; `reuse 0` takes a
// fresh port each time. Exit status 1 if any connection went wrong; each is named with what it was to do.
#include "tests/adversary/crowd.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

int main(int argc, char** argv)
{
    try {
        tapioca::adversary::raise_descriptor_limit();
        tapioca::adversary::crowd crowd{tapioca::adversary::read_options(argc, argv)};
        return crowd.run() ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& e) {
        std::printf("%s\n", e.what());
        return 2;
    }
}
