// Clients that ask over UDP.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/names/name_answers.hpp"

namespace tapioca {

class datagram_clients {
public:
    static constexpr std::size_t most_datagrams = 16; ///< of a socket in a turn
    static constexpr std::size_t longest_query = 2048;

    explicit datagram_clients(name_answers& answers) : answers_(answers) {}
    /// Sockets, with their families. They outlive it.
    void start(reactor& loop, const std::vector<std::pair<int, ip_family>>& sockets);

private:
    void on_readable(int fd, ip_family family);

    name_answers& answers_;
    std::vector<octet> room_ = std::vector<octet>(most_datagrams * longest_query);
};

} // namespace tapioca
