// The side of a take-over that gives: this process, whose place another one takes (doc/take_over.md).
//
// First, while everything goes on, the other one gets the descriptors that it is built upon. When it is complete and sealed, the
// workers stop between two turns, and it gets the flows. Whatever goes wrong until it says that it serves, they go on from where
// they stopped.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/os/fd_passing.hpp"
#include "proto/migrate/exchange.hpp"

#include <string>

namespace tapioca::migrate {

/// The descriptors of the guest's link and of sockets that listen at a path, which stay what they are.
struct link_at_start {
    link_kind kind = link_kind::none;
    std::vector<int> descriptors; ///< the queues of a tap, or the socket that a machine's monitor comes to
    std::string path;             ///< of that socket
    bool vnet_header = false;
    offloads offload;
    int control = -1, configuration = -1, repair = -1; ///< listening; -1: there is none
};

class hand_over final : public control_service {
public:
    struct means {
        worker_pool& workers;
        const options& opts;
        link_at_start link;
        std::function<bool()> rules_change; ///< whether they do at this moment
    };
    explicit hand_over(means m) : means_(std::move(m)) {}

    void start(reactor& loop) override { loop_ = &loop; }
    [[nodiscard]] int end_helpers() noexcept override;

    /// A client wants our place, and from here on speaks the exchange's language. One at a time: a later one displaces one that
    /// has not stopped us yet, and is refused otherwise.
    void begin(os::unique_fd client);

private:
    struct batch {
        message_kind kind = message_kind::listeners;
        std::vector<octet> octets;
        std::vector<int> fds;
        std::uint32_t value = 0;
    };

    void receive();
    void take(message_kind kind, std::uint32_t value);
    void send_parts();
    void plan_listeners();
    void stop_and_send(std::uint32_t process);
    void plan_flows();
    void plan_link();
    void send_next();
    [[nodiscard]] bool send(message_kind kind, std::uint32_t value, bytes_view octets = {}, std::span<const int> fds = {});
    void refuse(std::string_view why);
    void go_on();

    means means_;
    reactor* loop_ = nullptr;
    os::unique_fd client_, state_, link_state_;
    std::vector<octet> in_;
    std::vector<batch> batches_; ///< that are still to be sent, the last one first
    message_kind expected_ = message_kind::hello;
    std::uint32_t state_octets_ = 0, process_ = 0;
    std::uint64_t attempt_ = 0; ///< counts them
    bool frozen_ = false, over_ = false;
};

} // namespace tapioca::migrate
