// The way into a worker from the control plane: commands that are never refused and are carried out in their order.
//
// The control plane makes a command and frees it again once it was carried out; the worker allocates and frees nothing.
#pragma once

#include "daemon/config/plane_config.hpp"
#include "daemon/forward/listening_socket.hpp"
#include "daemon/loop/denied_flows.hpp"
#include "daemon/loop/flow_listing.hpp"
#include "daemon/loop/plane_task.hpp"
#include "daemon/loop/stranded_flows.hpp"
#include "daemon/tap/frame_capture.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

namespace tapioca {

/// Ends listening.
struct stop_listening {
    listener_name name;
};
/// A socket of TCP is another rule's.
struct rename_listener {
    listener_name from, to;
};
/// Sends an unsolicited router advertisement.
struct advertise_router {};
/// Exchanges what the plane knows; the command has the snapshot before when it was carried out.
using snapshot = std::shared_ptr<const plane_config>;

/// Questions, whose answers are in what they point to.
using list_flows = std::shared_ptr<flow_listing>;
using end_flow = std::shared_ptr<flow_ending>;
using end_stranded = std::shared_ptr<stranded_flows>;
using end_denied = std::shared_ptr<denied_flows>;

/// Frames are shown to it from now on, or no more.
struct begin_capture {
    std::shared_ptr<frame_capture> what;
};
struct end_capture {
    std::shared_ptr<frame_capture> what;
};

using worker_command = std::variant<listening_socket, stop_listening, rename_listener, advertise_router, snapshot, list_flows,
                                    end_flow, end_stranded, end_denied, begin_capture, end_capture, in_plane>;

class command_list {
public:
    command_list() = default;
    ~command_list()
    {
        free(waiting_);
        free(done_);
    }
    command_list(const command_list&) = delete;
    command_list& operator=(const command_list&) = delete;

    /// From the control plane's thread: also gives back what commands that were carried out still hold. The worker has to be
    /// woken afterwards.
    void push(worker_command what)
    {
        free(done_);
        ++pushed_;
        auto* added = new node{std::move(what), waiting_.load(std::memory_order_relaxed)};
        while (!waiting_.compare_exchange_weak(added->next, added, std::memory_order_release, std::memory_order_relaxed)) {
        }
    }
    /// Likewise: whether all commands were carried out.
    [[nodiscard]] bool is_done() const noexcept { return carried_out_.load(std::memory_order_acquire) == pushed_; }

    /// From the worker's thread: calls `carry_out` with each command, the oldest first.
    template <class Do>
    void take(Do carry_out) noexcept
    {
        if (waiting_.load(std::memory_order_relaxed) == nullptr)
            return;
        node* oldest = nullptr;
        for (auto* newest = waiting_.exchange(nullptr, std::memory_order_acquire); newest != nullptr;)
            newest = std::exchange(newest->next, std::exchange(oldest, newest));
        while (oldest != nullptr) {
            auto* const next = oldest->next;
            carry_out(oldest->what);
            oldest->next = done_.load(std::memory_order_relaxed);
            while (!done_.compare_exchange_weak(oldest->next, oldest, std::memory_order_release, std::memory_order_relaxed)) {
            }
            oldest = next;
            carried_out_.store(carried_out_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        }
    }

private:
    struct node {
        worker_command what;
        node* next;
    };
    static void free(std::atomic<node*>& list) noexcept
    {
        for (auto* n = list.exchange(nullptr, std::memory_order_acquire); n != nullptr;)
            delete std::exchange(n, n->next);
    }

    std::atomic<node*> waiting_ = nullptr, done_ = nullptr; ///< the newest first
    std::uint64_t pushed_ = 0;                              ///< the control plane's
    std::atomic<std::uint64_t> carried_out_ = 0;
};

} // namespace tapioca
