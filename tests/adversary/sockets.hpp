// Real sockets of the far end, and the command line that both programs have.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/time.hpp"

#include <string>
#include <sys/socket.h>

namespace tapioca::adversary {

struct socket_address {
    sockaddr_storage storage{};
    socklen_t length = sizeof(sockaddr_storage);
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

[[nodiscard]] socket_address to_socket(const endpoint& e);
[[nodiscard]] endpoint from_socket(const socket_address& s);
[[nodiscard]] std::uint16_t own_port(int descriptor);
/// Non-blocking; -1 if the port is taken.
[[nodiscard]] int bound_socket(const endpoint& at, int type);

struct crowd_options {
    std::string socket;
    std::uint64_t seed = 1, first = 0, count = 100;
    std::uint32_t at_once = 100;
    duration patience = std::chrono::seconds{60};
    bool verbose = false, reuses_ports = true;
    ip_address guest4, guest6, remote4, remote6;
};

/// SOCKET GUEST4 GUEST6 REMOTE4 REMOTE6 and pairs of a name and a number; throws what is wrong with them.
[[nodiscard]] crowd_options read_options(int argc, char** argv);
void raise_descriptor_limit();

} // namespace tapioca::adversary
