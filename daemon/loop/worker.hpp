// One thread of the data plane: its own epoll, its own tap queue, its own flows. It takes no lock, calls no logger, and never waits but
// in poller::wait. A turn takes what is ready, lets each flow do its work, then flushes once.
#pragma once

#include "daemon/tap/tun_queue.hpp"
#include "daemon/translate/ingress.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace tapioca {

/// A socket that waits for peers on behalf of the guest.
struct listening_socket {
    os::unique_fd fd;
    std::uint16_t port = 0; ///< of the guest
    octet protocol = 0;
};

class worker {
public:
    /// Reserves everything that the worker will ever use; throws std::system_error.
    worker(const plane_config& config, guest_link& guest, tun_descriptor tap, std::vector<listening_socket> listeners);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    void start();
    void stop() noexcept;

    [[nodiscard]] const report::counters& counters() const noexcept { return counters_; }
    [[nodiscard]] report::event_ring& events() noexcept { return events_; }

private:
    void run() noexcept;
    void turn() noexcept;
    void dispatch(const os::event& e, instant now) noexcept;
    void take_tap(instant now) noexcept;
    void accept_from(std::uint32_t listener, instant now) noexcept;
    [[nodiscard]] instant next_deadline(instant now) const noexcept;

    report::counters counters_;
    report::event_ring events_;
    os::poller poller_;
    tun_queue tap_;
    context ctx_;
    tcp_translator tcp_;
    ingress ingress_;
    std::vector<listening_socket> listeners_;
    os::unique_fd stop_;
    std::atomic<bool> stopping_ = false;
    std::size_t reads_ = 1; ///< frames that the next visit to the tap tries to read
    instant now_;
    std::thread thread_;
};

} // namespace tapioca
