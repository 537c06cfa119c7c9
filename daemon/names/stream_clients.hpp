// Clients that ask over TCP (RFC 7766): each one question after the other, in its own order.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/names/name_answers.hpp"

#include <map>

namespace tapioca {

class stream_clients {
public:
    static constexpr std::size_t most_clients = 64;    ///< beyond, the one that has been silent for longest goes
    static constexpr std::size_t longest_query = 2048; ///< nobody has more to ask
    static constexpr duration patience = std::chrono::seconds{30};

    explicit stream_clients(name_answers& answers) : answers_(answers) {}
    /// The listening sockets outlive it.
    void start(reactor& loop, const std::vector<int>& listening);

private:
    using number = std::uint32_t;
    struct client {
        os::unique_fd fd;
        std::vector<octet> received, to_send;
        bool asks = false; ///< its question is under way
        instant heard;
    };
    void listen(int fd);
    void on_connection(int listener);
    void on_readable(number n);
    void take_query(number n);
    void on_answer(number n, bytes_view answer);
    void on_writable(number n);
    void wait_for_query(number n);
    void close(number n);
    [[nodiscard]] bool make_room();
    void look_later();

    name_answers& answers_;
    reactor* loop_ = nullptr;
    std::map<number, client> clients_;
    number next_ = 0;
    bool looks_ = false;
};

} // namespace tapioca
