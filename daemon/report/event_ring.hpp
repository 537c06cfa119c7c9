// What workers have to say to the log: fixed records in a ring with one writer and one reader. A worker never waits for the log;
// what does not fit is counted. The reader sleeps until the writer, at the end of a turn that left records, finds that it has to
// be woken: once, until it has begun to drain.
#pragma once

#include "proto/base/time.hpp"
#include "proto/flow/end_reason.hpp"
#include "proto/flow/head.hpp"
#include "proto/flow/octets.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace tapioca {
struct egress_policy;
}

namespace tapioca::report {

enum class event_kind : std::uint8_t {
    flow_opened,
    flow_closed,
    connect_failed,
    socket_failed,
    ping_refused,
    flow_quarantined,
    guest_mac_learned,
    flow_table_full,
    egress_denied, ///< `words` say on what ground
    tap_failed,
    listener_failed,
    client_accepted, ///< `error` is the process id
    client_refused,  ///< likewise
    client_misunderstood,
    client_gone,
    vhost_request_refused, ///< `error` is the request, `words` why
    vhost_misunderstood,   ///< `words` say what
    vhost_ring_broken,     ///< `error` is the ring's index, `words` what it has done
    vhost_legacy,
    packet_from_guest, ///< with --trace
    count_
};

/// What ordinary traffic causes all the time: of interest only for debugging.
[[nodiscard]] constexpr bool is_routine(event_kind kind) noexcept
{
    return kind == event_kind::flow_opened || kind == event_kind::flow_closed || kind == event_kind::connect_failed;
}

/// What the guest or a peer can cause with every packet: only some of them are logged.
[[nodiscard]] constexpr bool is_provoked(event_kind kind) noexcept
{
    return kind == event_kind::socket_failed || kind == event_kind::flow_table_full || kind == event_kind::guest_mac_learned ||
           kind == event_kind::egress_denied || kind == event_kind::vhost_request_refused;
}

struct worker_event {
    instant when{};
    event_kind kind = event_kind::flow_opened;
    int error = 0; ///< errno, 0: none
    flow_key key;
    endpoint accepted_at{}; ///< of a flow that a peer opened: where the host took it; unspecified and port 0: the guest opened it
    end_reason why = end_reason::finished; ///< of flow_closed
    const char* words = nullptr;           ///< more of it; a part of the program
    flow_kind flow = flow_kind::count_;    ///< that it is about; count_: none
    flow_id id{};                          ///< likewise
    flow_origin origin = flow_origin::guest;
    std::uint16_t rule = flow_head::no_rule;
    std::optional<flow_octets> octets{}; ///< of flow_closed, if they are known
    duration lasted{};                   ///< of flow_closed
    /// Of egress_denied by a rule: its number in a policy, which is only to be compared, as it may be gone; null: by no rule.
    const egress_policy* policy = nullptr;
    std::uint16_t policy_rule = 0;
};

class event_ring {
public:
    /// False if the reader is behind.
    bool push(const worker_event& e) noexcept
    {
        const auto at = head_.load(std::memory_order_relaxed);
        if (at - tail_.load(std::memory_order_acquire) == records_.size())
            return false;
        records_[at % records_.size()] = e;
        head_.store(at + 1, std::memory_order_release);
        unannounced_ = true;
        return true;
    }

    /// From the writer, after any number of pushes: whether the reader has to be woken.
    [[nodiscard]] bool reader_sleeps() noexcept
    {
        if (!unannounced_)
            return false;
        unannounced_ = false;
        return !awake_.exchange(true, std::memory_order_acq_rel);
    }

    template <class Visitor>
    void drain(Visitor visit)
    {
        // An exchange, so that of a record pushed meanwhile either we see it below or its writer sees that we sleep.
        awake_.exchange(false, std::memory_order_acq_rel);
        auto at = tail_.load(std::memory_order_relaxed);
        for (const auto end = head_.load(std::memory_order_acquire); at != end; ++at)
            visit(records_[at % records_.size()]);
        tail_.store(at, std::memory_order_release);
    }

private:
    std::array<worker_event, 512> records_{};
    alignas(64) std::atomic<std::uint32_t> head_ = 0;
    bool unannounced_ = false; ///< the writer's
    alignas(64) std::atomic<std::uint32_t> tail_ = 0;
    std::atomic<bool> awake_ = false;
};

} // namespace tapioca::report
