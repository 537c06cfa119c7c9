// Addresses that a name has led to, as answers of resolvers said: what lets a rule speak of names.
//
// One thread writes, any number of others read without waiting: each entry is written once, before it is shown, and only its end
// changes later. What is over keeps its place, so that the table is made anew when it is full of that.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/siphash.hpp"
#include "proto/base/time.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>

namespace tapioca {

/// That an address may be reached by a rule for its name.
struct pin {
    ip_address address;
    std::uint16_t rule = 0; ///< the name rule's place in egress_policy::names
    std::uint32_t name = 0; ///< that was asked, by the number that the name service gave it
    instant until;
    std::uint64_t text = 0; ///< of the name: pin_table::text_of()
};

class pin_table {
public:
    /// `capacity` is a power of two. Throws std::bad_alloc.
    pin_table(std::size_t capacity, siphash_key secret)
        : capacity_(capacity), secret_(secret), entries_(std::make_unique<entry[]>(capacity))
    {
    }

    /// By the writer: from now on the address is pinned for that rule and name, until then. False if the table is too full.
    bool set(const pin& what) noexcept;
    /// By the writer: whether there is room for few more only, so that another table should take this one's place.
    [[nodiscard]] bool is_nearly_full() const noexcept { return used_ >= capacity_ / 4 * 3; }

    /// By anybody: stands for a name, in lower case and without a dot at the end, where workers have to know it.
    [[nodiscard]] std::uint64_t text_of(std::string_view name) const noexcept
    {
        return siphash(secret_, {reinterpret_cast<const octet*>(name.data()), name.size()});
    }
    /// By anybody: calls visit(pin) for each that the address has, until it returns false.
    template <class Visit>
    void each(const ip_address& address, Visit visit) const noexcept
    {
        const auto words = words_of(address);
        for (auto i = place_of(address);; i = (i + 1) & (capacity_ - 1)) {
            const auto& e = entries_[i];
            const auto until = e.until.load(std::memory_order_acquire);
            if (until == unused)
                return;
            if (e.words == words && !visit(pin{address, e.rule, e.name, instant{duration{until}}, e.text}))
                return;
        }
    }

private:
    using word_pair = std::array<std::uint64_t, 2>;
    using ticks = duration::rep;
    static constexpr ticks unused = 0;
    struct entry {
        word_pair words{};
        std::uint64_t text = 0;
        std::atomic<ticks> until = unused; ///< what else there is is complete when this is set
        std::uint32_t name = 0;
        std::uint16_t rule = 0;
    };
    [[nodiscard]] static word_pair words_of(const ip_address& a) noexcept { return std::bit_cast<word_pair>(a.octets()); }
    [[nodiscard]] std::size_t place_of(const ip_address& a) const noexcept
    {
        return static_cast<std::size_t>(siphash(secret_, octets_of(a))) & (capacity_ - 1);
    }

    std::size_t capacity_, used_ = 0;
    siphash_key secret_;
    std::unique_ptr<entry[]> entries_;
};

} // namespace tapioca
