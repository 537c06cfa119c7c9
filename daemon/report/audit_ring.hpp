// The way of one worker's records to the audit log: a ring of its own with one writer and one reader, so that neither floods of
// the log nor a slow file come in between. The worker never waits.
//
// A flow is recorded when it begins only if there is room for its end as well, which is kept for it: so whoever reads of a
// beginning reads of the end. If the log is required, a flow that cannot be recorded must not begin. What was refused has no more
// than half of the room that beginnings have, so that a flood of it hides nothing that passes.
#pragma once

#include "daemon/config/options.hpp"
#include "daemon/os/arena.hpp"
#include "daemon/report/audit_record.hpp"

#include <atomic>
#include <span>

namespace tapioca::report {

class audit_ring {
public:
    static constexpr std::uint32_t capacity = 1U << 16; ///< records, or ends that are to come
    static constexpr std::uint32_t most_waiting = 1U << 13;

    /// Reserves all memory; throws std::system_error. `worker`: its number.
    audit_ring(audit_mode mode, unsigned worker)
        : memory_(capacity * sizeof(audit_record)), records_(memory_.as<audit_record>()), required_(mode == audit_mode::required),
          next_number_((std::uint64_t{worker} << 48) + 1)
    {
    }

    // The writer's.
    /// Whether a flow may begin now.
    [[nodiscard]] bool admits() const noexcept
    {
        return !required_ || (!stopped_.load(std::memory_order_relaxed) && has_room_to_open());
    }
    /// The number of the flow that is recorded; 0, which is counted as lost: there is no room. The record needs no number.
    [[nodiscard]] std::uint64_t open(audit_record record) noexcept
    {
        if (!has_room_to_open()) {
            lose(2);
            return 0;
        }
        ++ends_to_come_;
        record.number = next_number_++;
        put(record);
        return record.number;
    }
    /// Records what there is no flow of. False: it has to be recorded, and could not be.
    [[nodiscard]] bool note(const audit_record& record) noexcept
    {
        const bool fits = waiting() < most_waiting / 2 && has_room_for(1);
        if (fits)
            put(record);
        else
            lose(1);
        return fits || !required_;
    }
    /// Of a flow that was recorded when it began.
    void end(const audit_record& record) noexcept
    {
        expect_no_end();
        if (waiting() < capacity)
            put(record);
        else
            lose(1); // of a flow that has come from another worker
    }
    /// A flow that was recorded has come from another worker, or has gone to one.
    void expect_end() noexcept { ++ends_to_come_; }
    void expect_no_end() noexcept { ends_to_come_ -= ends_to_come_ == 0 ? 0 : 1; }
    /// After any number of records: whether the reader has to be woken.
    [[nodiscard]] bool reader_sleeps() noexcept
    {
        if (!unannounced_)
            return false;
        unannounced_ = false;
        return !awake_.exchange(true, std::memory_order_acq_rel);
    }

    // The reader's.
    /// Takes records, the oldest first, until there are no more or `take(record)` says that this one is not taken. Whether there
    /// may be more.
    template <class Take>
    bool drain(Take take)
    {
        // An exchange, so that of a record put meanwhile either we see it below or its writer sees that we sleep.
        awake_.exchange(false, std::memory_order_acq_rel);
        auto at = tail_.load(std::memory_order_relaxed);
        const auto end = head_.load(std::memory_order_acquire);
        while (at != end && take(records_[at % capacity])) {
            ++at;
            tail_.store(at, std::memory_order_release);
        }
        return at != end;
    }
    [[nodiscard]] bool is_empty() const noexcept
    {
        return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_relaxed);
    }
    /// Records that there was no room for, since the beginning.
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }
    /// Nothing can be written at present: if the log is required, no flow begins until that is over.
    void stop(bool stopped) noexcept { stopped_.store(stopped, std::memory_order_relaxed); }

private:
    [[nodiscard]] std::uint32_t waiting() const noexcept
    {
        return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire);
    }
    [[nodiscard]] bool has_room_for(std::uint32_t count) const noexcept { return waiting() + ends_to_come_ + count <= capacity; }
    [[nodiscard]] bool has_room_to_open() const noexcept { return waiting() < most_waiting && has_room_for(2); }
    void put(const audit_record& record) noexcept
    {
        const auto at = head_.load(std::memory_order_relaxed);
        records_[at % capacity] = record;
        head_.store(at + 1, std::memory_order_release);
        unannounced_ = true;
    }
    void lose(std::uint64_t count) noexcept
    {
        lost_.store(lost_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
        unannounced_ = true; // that is told, too
    }

    os::arena memory_;
    std::span<audit_record> records_;
    const bool required_;
    alignas(64) std::atomic<std::uint32_t> head_ = 0;
    std::uint32_t ends_to_come_ = 0; ///< the writer's
    std::uint64_t next_number_;      ///< likewise
    bool unannounced_ = false;       ///< likewise
    std::atomic<std::uint64_t> lost_ = 0;
    alignas(64) std::atomic<std::uint32_t> tail_ = 0;
    std::atomic<bool> awake_ = false, stopped_ = false;
};

} // namespace tapioca::report
