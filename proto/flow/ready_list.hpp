// Flows that have something to do, each of them listed at most once: a flow remembers that in its `ready_listed`. Those that end
// need not be taken off the list, as their slots are found unused, or used by others that are not listed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace tapioca {

class ready_list {
public:
    /// `slots`: as many as the table has flows.
    explicit ready_list(std::span<std::uint32_t> slots) noexcept : slots_(slots) {}

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    template <class Table, class Flow>
    void add(Table& flows, Flow& f) noexcept
    {
        if (f.ready_listed)
            return;
        if (count_ == slots_.size())
            forget_ended(flows);
        f.ready_listed = true;
        slots_[count_++] = flows.slot_of(f);
    }

    /// Calls `work` with each flow, in order, while `may_go_on()`. What is listed meanwhile, because its budget ran out, waits
    /// for the next time, as does what is left.
    template <class Table, class May, class Work>
    void run(Table& flows, May may_go_on, Work work) noexcept
    {
        const auto ready = count_;
        std::size_t done = 0;
        for (; done < ready && may_go_on(); ++done) {
            auto* f = flows.at_slot(slots_[done]);
            if (f == nullptr || !f->ready_listed)
                continue;
            f->ready_listed = false;
            work(*f);
        }
        std::copy(slots_.begin() + static_cast<std::ptrdiff_t>(done), slots_.begin() + static_cast<std::ptrdiff_t>(count_),
                  slots_.begin());
        count_ -= done;
    }

private:
    /// A slot may be there twice: of a flow that has ended, and of the one that has its slot now.
    template <class Table>
    void forget_ended(Table& flows) noexcept
    {
        const auto listed = std::exchange(count_, 0);
        for (std::size_t i = 0; i < listed; ++i) {
            auto* f = flows.at_slot(slots_[i]);
            if (f == nullptr || !f->ready_listed)
                continue;
            f->ready_listed = false;
            slots_[count_++] = slots_[i];
        }
        for (std::size_t i = 0; i < count_; ++i)
            flows.at_slot(slots_[i])->ready_listed = true;
    }

    std::span<std::uint32_t> slots_;
    std::size_t count_ = 0;
};

} // namespace tapioca
