// The one thread that stays in the guest's network namespace. Sockets belong to the namespace of the thread that makes them, and
// no other thread enters it after start-up, so all of its sockets are made here. Workers take theirs from small stores, because a
// new connection cannot wait for another thread; listening sockets are made while the control plane waits.
//
// It starts before the process is sealed and keeps two capabilities over the namespace at most: CAP_NET_BIND_SERVICE where ports
// come and go by themselves (`auto`), and CAP_NET_ADMIN where the network that it configured is exchanged with the host's.
#pragma once

#include "daemon/os/listen.hpp"
#include "daemon/os/netlink.hpp"
#include "daemon/os/unique_fd.hpp"
#include "daemon/translate/namespace_sockets.hpp"
#include "proto/base/bytes.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <semaphore>
#include <thread>

namespace tapioca::netns {

/// Sockets ready for one worker.
class socket_store final : public namespace_sockets {
public:
    /// `bell` wakes the resident thread; it outlives the store. `depth`: how many of each kind are kept, 1 to most.
    socket_store(int bell, std::uint32_t depth) noexcept : bell_(bell), depth_(depth) {}
    ~socket_store() override;
    socket_store(const socket_store&) = delete;
    socket_store& operator=(const socket_store&) = delete;

    static constexpr std::uint32_t most = 32;

    [[nodiscard]] os::unique_fd take(kind k) noexcept override;
    [[nodiscard]] bool is_scarce(kind k) noexcept override;

    /// In the resident thread: fills up what was taken. True if a worker waits for what is there now.
    [[nodiscard]] bool refill() noexcept;

private:
    /// One writer, the resident thread, and one reader, the worker.
    struct ring {
        std::array<int, most> fds{};
        alignas(64) std::atomic<std::uint32_t> made = 0;
        alignas(64) std::atomic<std::uint32_t> taken = 0;
    };

    int bell_;
    std::uint32_t depth_;
    std::array<ring, kinds> rings_;
    std::atomic<unsigned> starved_ = 0; ///< a bit for each kind of which none was left
    std::atomic<unsigned> refused_ = 0; ///< a bit for each kind of which the kernel gave none when last asked
};

class resident {
public:
    /// Where it may listen after the start.
    enum class listening : std::uint8_t { nowhere, at_ordinary_ports, at_any_port };
    /// What it does after the start.
    struct duties {
        listening later = listening::nowhere;
        bool administers = false; ///< exchanges the network of the interface in there
    };

    /// `workers`: that take sockets; 0: none of them does.
    resident(os::unique_fd network_namespace, std::size_t workers, duties after_start);
    ~resident();
    resident(const resident&) = delete;
    resident& operator=(const resident&) = delete;

    [[nodiscard]] bool has_sockets() const noexcept { return !stores_.empty(); }
    [[nodiscard]] namespace_sockets* store_of(std::size_t worker) noexcept { return &stores_[worker]; }
    /// Rung when a worker that found its store empty may look again.
    void wake_with(std::size_t worker, int bell) noexcept { worker_bells_[worker] = bell; }

    /// Returns when the thread is where it belongs and the stores are full; throws what stopped it.
    void start();
    void stop() noexcept;

    /// A listening socket in the namespace. From the control plane's thread; waits for the resident one.
    [[nodiscard]] os::result<os::unique_fd> listen(octet protocol, const os::listen_at& at);

    /// What is done by whoever administers the namespace, with a netlink socket of it; must not throw. Likewise.
    using administration = std::function<void(os::netlink_socket&)>;
    void administer(const administration& work);

private:
    void enter();
    void run() noexcept;
    void serve() noexcept;

    os::unique_fd namespace_, bell_;
    const duties duties_;
    std::optional<os::netlink_socket> netlink_; ///< if it administers
    std::deque<socket_store> stores_;
    std::deque<int> worker_bells_;
    std::atomic<bool> stopping_ = false;

    /// What the control plane has asked for; it waits for `answered_`.
    struct request {
        octet protocol;
        os::listen_at at;
        os::result<os::unique_fd> made;
    };
    std::atomic<request*> asked_ = nullptr;
    std::atomic<const administration*> ordered_ = nullptr;
    std::binary_semaphore answered_{0};
    std::exception_ptr failure_; ///< why it could not start
    std::thread thread_;
};

} // namespace tapioca::netns
