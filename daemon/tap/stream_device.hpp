// Guests that come and go on a stream socket. One at a time: while one is served, others are refused. Flows and listening
// sockets stay when a guest leaves; what becomes of the process is its owner's business.
#pragma once

#include "daemon/tap/stream_queue.hpp"
#include "daemon/tap/tap_device.hpp"

namespace tapioca {

/// A stream socket: clients come to `listener`, one at a time, or there is one client for good.
struct stream_descriptor {
    os::unique_fd listener, client;
};

class stream_device final : public tap_device {
public:
    stream_device(stream_descriptor sockets, const device_place& place);

    [[nodiscard]] tap_queue& queue() noexcept override { return queue_; }
    void start() override;
    void take(const os::event& e, instant now) noexcept override;
    [[nodiscard]] bool has_more() const noexcept override { return queue_.has_more(); }
    void read(instant now) noexcept override;
    void end_turn(instant now) noexcept override;
    [[nodiscard]] bool has_carrier() const noexcept override { return queue_.attached(); }
    [[nodiscard]] link_in_use give() override;
    [[nodiscard]] std::string_view go_on(const migrate::link_state& from, std::span<os::unique_fd> passed) override;
    void stop_listening() noexcept override { sockets_.listener.reset(); }

private:
    static constexpr int batches_a_turn = 8;

    [[nodiscard]] os::result<void> attach(os::unique_fd client) noexcept;
    [[nodiscard]] os::result<void> watch_client() noexcept;
    void let_client_go(instant now) noexcept;

    stream_queue queue_;
    stream_descriptor sockets_;
    bool client_waits_ = false; ///< at the listener
};

} // namespace tapioca
