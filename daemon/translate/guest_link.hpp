// What is known of the guest's end of the link: its MAC and addresses, learned from what it sends, and the paths behind it.
// Shared by all workers: any may learn, all read.
#pragma once

#include "daemon/translate/guest_paths.hpp"
#include "daemon/translate/identifications.hpp"
#include "daemon/translate/shared_words.hpp"
#include "proto/base/fixed_vector.hpp"
#include "proto/forward/address_map.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace tapioca {

class guest_link {
public:
    /// Addresses that were given by the user are not replaced by what is observed.
    struct fixed {
        bool v4 = false, v6 = false;
    };

    /// What is ours on the link, so that no guest can claim it.
    struct ours {
        mac_address mac;
        fixed_vector<ip_address, 14> addresses;
    };

    guest_link(const mac_address& mac, const ip_address& v4, const ip_address& v6, fixed keep, const ip_address& link_local = {},
               const ours& reserved = {}, siphash_key secret = {}) noexcept
        : paths(secret), datagrams(secret), keep_(keep), reserved_(reserved)
    {
        set_mac(mac);
        v4_.store(v4.is_v4() ? v4.v4_value() : 0, std::memory_order_relaxed);
        v6_.store(v6);
        link_local_.store(link_local);
    }

    guest_paths paths;
    identifications datagrams; ///< to the guest

    [[nodiscard]] mac_address mac() const noexcept { return unpack(mac_.load(std::memory_order_relaxed)); }
    /// True if `mac` is new.
    bool learn_mac(const mac_address& mac) noexcept
    {
        if (pack(mac) == mac_.load(std::memory_order_relaxed) || mac == reserved_.mac || mac.is_zero())
            return false;
        set_mac(mac);
        return true;
    }

    void learn_address(const ip_address& source) noexcept
    {
        if (!source.is_unicast())
            return;
        if (source.is_v4()) {
            if (!keep_.v4 && v4_.load(std::memory_order_relaxed) != source.v4_value() && !is_ours(source))
                v4_.store(source.v4_value(), std::memory_order_relaxed);
        } else if (source.is_link_local()) {
            learn(link_local_, source);
        } else if (!keep_.v6) {
            learn(v6_, source);
        }
    }

    /// Unspecified if none is known.
    [[nodiscard]] ip_address v4() const noexcept { return ip_address::v4(v4_.load(std::memory_order_relaxed)); }
    [[nodiscard]] ip_address v6() const noexcept { return v6_.load(); }
    [[nodiscard]] ip_address link_local() const noexcept { return link_local_.load(); }
    [[nodiscard]] guest_addresses addresses() const noexcept { return {v4(), v6(), link_local()}; }

private:
    class shared_address {
    public:
        [[nodiscard]] bool is(const ip_address& a) const noexcept { return words_.seems(words_of(a)); }
        void store(const ip_address& a) noexcept { words_.store(words_of(a)); }
        [[nodiscard]] ip_address load() const noexcept
        {
            const auto words = words_.load();
            ipv6_octets octets;
            std::memcpy(octets.data(), words.data(), sizeof octets);
            return ip_address{octets};
        }

    private:
        static shared_words<2>::words words_of(const ip_address& a) noexcept
        {
            shared_words<2>::words w;
            std::memcpy(w.data(), a.octets().data(), sizeof w);
            return w;
        }

        shared_words<2> words_;
    };

    void learn(shared_address& known, const ip_address& source) const noexcept
    {
        if (!known.is(source) && !is_ours(source))
            known.store(source);
    }
    [[nodiscard]] bool is_ours(const ip_address& a) const noexcept
    {
        return std::find(reserved_.addresses.begin(), reserved_.addresses.end(), a) != reserved_.addresses.end();
    }
    static std::uint64_t pack(const mac_address& mac) noexcept
    {
        std::uint64_t v = 0;
        std::memcpy(&v, mac.octets.data(), 6);
        return v;
    }
    static mac_address unpack(std::uint64_t v) noexcept
    {
        mac_address mac;
        std::memcpy(mac.octets.data(), &v, 6);
        return mac;
    }
    void set_mac(const mac_address& mac) noexcept { mac_.store(pack(mac), std::memory_order_relaxed); }

    fixed keep_;
    const ours reserved_;
    std::atomic<std::uint64_t> mac_ = 0;
    std::atomic<std::uint32_t> v4_ = 0;
    shared_address v6_, link_local_;
};

} // namespace tapioca
