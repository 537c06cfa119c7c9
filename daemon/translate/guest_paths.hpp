// The path MTU to addresses behind the guest. The guest's link has an MTU, but a guest that routes, such
// as one with containers behind a bridge, may lead to narrower links, and reports them: "fragmentation needed" (RFC 1191) and
// "packet too big" (RFC 8201). A report holds for ten minutes, for all flows to that address. Shared by all workers.
#pragma once

#include "daemon/translate/shared_words.hpp"
#include "proto/base/address.hpp"
#include "proto/base/siphash.hpp"
#include "proto/base/time.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace tapioca {

class guest_paths {
public:
    static constexpr std::int32_t lifetime_seconds = 600; ///< RFC 1191 section 6.3, RFC 8201 section 5.3
    /// Of IPv4, Linux's default (net.ipv4.route.min_pmtu): a forged, smaller MTU would make us send tiny packets. A path with
    /// this MTU may be narrower, so packets to it may be fragmented.
    static constexpr std::size_t least_ipv4 = 552;
    static constexpr std::size_t least_ipv6 = 1280; ///< RFC 8200 section 5
    static constexpr std::size_t ways = 4, sets = 64;

    explicit guest_paths(siphash_key secret) noexcept : secret_(secret) {}

    /// What the link carries, or less.
    [[nodiscard]] std::size_t mtu_of(const ip_address& guest, std::size_t link_mtu) const noexcept
    {
        if (!any_.load(std::memory_order_relaxed))
            return link_mtu;
        const auto wanted = words_of(guest);
        for (const auto& each : set_of(wanted)) {
            const auto e = each.load();
            if (e[0] == wanted[0] && e[1] == wanted[1] && is_fresh(e))
                return std::min(link_mtu, mtu_in(e));
        }
        return link_mtu;
    }

    enum class outcome : std::uint8_t { learned, displaced }; ///< displaced: and another one that was known is forgotten
    /// Packets longer than `mtu` do not reach `guest`. Less than the least is taken for that.
    outcome learn(const ip_address& guest, std::size_t mtu, instant now) noexcept
    {
        tell_time(now);
        mtu = std::max(mtu, guest.is_v4() ? least_ipv4 : least_ipv6);
        auto news = words_of(guest);
        news[2] = std::uint64_t{seconds_of(now)} << 32 | static_cast<std::uint32_t>(mtu);
        auto* place = &set_of(news).front();
        bool known = false;
        for (auto& each : set_of(news)) {
            const auto e = each.load();
            known = e[0] == news[0] && e[1] == news[1];
            if (known || age_of(e) > age_of(place->load()))
                place = &each;
            if (known)
                break;
        }
        const bool displaces = !known && is_fresh(place->load());
        place->store(news);
        any_.store(true, std::memory_order_relaxed);
        return displaces ? outcome::displaced : outcome::learned;
    }

    /// What was learned grows old by this alone, so that a look-up needs no clock.
    void tell_time(instant now) noexcept
    {
        if (const auto seconds = seconds_of(now); now_.load(std::memory_order_relaxed) != seconds)
            now_.store(seconds, std::memory_order_relaxed);
    }

private:
    using entry = shared_words<3>; ///< an address; when it was learned, and the MTU
    using words = entry::words;

    static words words_of(const ip_address& a) noexcept
    {
        words w{};
        std::memcpy(w.data(), a.octets().data(), sizeof a);
        return w;
    }
    static std::uint32_t seconds_of(instant t) noexcept
    {
        return static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count());
    }
    static std::size_t mtu_in(const words& w) noexcept { return static_cast<std::uint32_t>(w[2]); }
    /// In seconds; of what never was, more than anything's. Workers tell the time in any order.
    [[nodiscard]] std::int32_t age_of(const words& w) const noexcept
    {
        const auto learned = static_cast<std::uint32_t>(w[2] >> 32);
        return w[2] == 0 ? INT32_MAX : static_cast<std::int32_t>(now_.load(std::memory_order_relaxed) - learned);
    }
    [[nodiscard]] bool is_fresh(const words& w) const noexcept { return age_of(w) < lifetime_seconds; }
    [[nodiscard]] std::size_t begin_of_set(const words& w) const noexcept
    {
        return siphash(secret_, {reinterpret_cast<const octet*>(w.data()), sizeof(ip_address)}) % sets * ways;
    }
    [[nodiscard]] std::span<entry> set_of(const words& w) noexcept { return std::span{entries_}.subspan(begin_of_set(w), ways); }
    [[nodiscard]] std::span<const entry> set_of(const words& w) const noexcept
    {
        return std::span{entries_}.subspan(begin_of_set(w), ways);
    }

    const siphash_key secret_;
    std::atomic<bool> any_ = false; ///< anything was ever learned: most guests lead nowhere
    std::atomic<std::uint32_t> now_ = 0;
    std::array<entry, ways * sets> entries_;
};

} // namespace tapioca
