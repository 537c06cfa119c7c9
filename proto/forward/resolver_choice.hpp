// Which of the host's resolvers is asked first, and which next.
//
// In the order of resolv.conf, as the host's own programs do, but without their forgetfulness: one that kept silent is not asked
// first again for a while, and one that answered where another had kept silent is preferred for a while. Refusing to look
// something up (SERVFAIL) is no silence: it is often about one name alone.
#pragma once

#include "proto/base/time.hpp"
#include "proto/forward/address_map.hpp"

#include <cstdint>
#include <optional>

namespace tapioca {

class resolver_choice {
public:
    static constexpr duration prefers_for = std::chrono::seconds{60}, avoids_for = std::chrono::seconds{30};

    /// Resolvers by their place in the list, as bits.
    using set = std::uint8_t;
    [[nodiscard]] static constexpr set bit(unsigned which) noexcept { return static_cast<set>(1U << which); }

    /// The list as it is by now. One with other contents begins anew.
    void follow(const resolver_list& list) noexcept;
    [[nodiscard]] const resolver_list& list() const noexcept { return list_; }
    /// Counts the lists.
    [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }
    /// The place of that address; nothing if it is none of the list.
    [[nodiscard]] std::optional<unsigned> find(const ip_address& resolver) const noexcept;

    /// Which one to ask after those that were `tried`: the preferred one, then those that are not avoided, then any. Nothing if
    /// all were tried.
    [[nodiscard]] std::optional<unsigned> next(set tried, instant now) const noexcept;
    /// It answered, after those in `silent` had been asked in vain.
    void on_answer(unsigned which, set silent, instant now) noexcept;
    /// It did not answer in time, or cannot be reached.
    void on_silence(unsigned which, instant now) noexcept;

private:
    resolver_list list_;
    std::array<instant, resolver_list::capacity()> avoided_until_{};
    unsigned preferred_ = 0;
    instant preferred_until_{};
    std::uint32_t generation_ = 0;
};

} // namespace tapioca
