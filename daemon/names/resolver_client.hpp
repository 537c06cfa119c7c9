// Asks the host's resolvers: over UDP, from a fresh socket with a port of the kernel's choice and an id of our own for each try;
// over TCP what was truncated. The next resolver is asked when one is silent or says nothing about the name. What comes late,
// from elsewhere, or answers another question is not heard.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/os/socket.hpp"
#include "proto/forward/opening.hpp"
#include "proto/forward/resolver_choice.hpp"
#include "proto/wire/dns_answer.hpp"

#include <map>
#include <vector>

namespace tapioca {

class resolver_client {
public:
    static constexpr std::size_t most_questions = 256; ///< at a time
    static constexpr std::size_t most_streams = 16;    ///< of them, over TCP
    static constexpr unsigned most_tries = 4;          ///< of a question; an answer to any of them will do
    static constexpr std::size_t most_octets = 65535;
    static constexpr duration between_looks = std::chrono::milliseconds{50};

    /// `network`: how the host's network is now.
    resolver_client(std::function<const forwarding&()> network, siphash_key secret)
        : network_(std::move(network)), secret_(secret)
    {
    }
    void start(reactor& loop) { loop_ = &loop; }

    /// Null: nobody has answered. It is valid during the call.
    using answered = std::function<void(const wire::dns_reply* reply)>;
    /// False if there are too many questions already. `then` is not called from inside.
    [[nodiscard]] bool ask(const wire::dns_question& what, answered then);
    [[nodiscard]] std::size_t size() const noexcept { return asked_.size(); }

private:
    /// One datagram or connection.
    struct attempt {
        os::unique_fd fd;
        std::uint16_t id = 0;
        unsigned resolver = 0; ///< by its place in the list
        bool stream = false;
        std::vector<octet> received; ///< of a stream
    };
    struct question {
        wire::dns_question asked;
        answered then;
        std::vector<attempt> attempts;   ///< the newest last
        resolver_choice::set tried = 0;  ///< in this round
        resolver_choice::set silent = 0; ///< of these, those that have not answered
        std::uint32_t generation = 0;
        unsigned tries = 0, rounds = 0;
        instant end, due; ///< of all; when the next is asked
        bool refused = false;
    };
    using number = std::uint32_t;

    void follow_resolvers();
    void try_next(number n, instant now);
    [[nodiscard]] bool send_datagram(number n, question& q, unsigned which);
    [[nodiscard]] bool begin_stream(number n, question& q, unsigned which);
    void on_datagrams(number n, int fd);
    void on_connected(number n, int fd);
    void on_stream(number n, int fd);
    void take(number n, int fd, bytes_view message);
    void fail(number n, int fd);
    void finish(number n, const wire::dns_reply* reply);
    void drop_attempt(question& q, int fd);
    [[nodiscard]] attempt* find(number n, int fd);
    [[nodiscard]] os::result<os::unique_fd> open(const ip_address& resolver, bool stream) const;
    [[nodiscard]] std::uint16_t fresh_id();
    void look_later();
    void look();

    std::function<const forwarding&()> network_;
    siphash_key secret_;
    reactor* loop_ = nullptr;
    resolver_choice choice_;
    std::map<number, question> asked_;
    number next_ = 0;
    std::uint64_t ids_ = 0;
    std::size_t streams_ = 0;
    bool looks_ = false;
};

} // namespace tapioca
