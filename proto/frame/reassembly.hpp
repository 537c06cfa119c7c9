// Puts the fragments of IPv4 (RFC 791 section 3.2, RFC 815) and IPv6 (RFC 8200 section 4.5) datagrams together again.
//
// A datagram being put together has a slot of the caller's memory: room for its octets, and one bit for each eight of them that
// says "here". So a slot costs the same however many fragments there are, and they may come in any order. What is refused:
//
// - A fragment that repeats octets: if they are all here and equal, it is a copy and ignored (RFC 8200 section 4.5 allows it).
// Anything else is an
//   overlap, and the datagram goes with all its fragments, those still to come included (RFC 5722, here for IPv4 too). The same
//   holds for contradictions about where the datagram ends.
// - A first IPv6 fragment without the whole header chain up to and including the upper layer's header (RFC 7112).
//
// When slots run out, the oldest datagram makes room; one source holds at most half of them and then displaces its own oldest, so
// that others keep theirs. Packets that are no fragments, and atomic fragments (RFC 6946), pass through and leave everything as
// it is.
#pragma once

#include "proto/base/time.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"

#include <array>

namespace tapioca {

/// A whole datagram as its receiver sees it: the upper layer's octets, and what the header of the first fragment said.
struct reassembled {
    bytes_view payload; ///< valid until the next `add`
    ip_address source, destination;
    octet protocol = 0;         ///< of the payload; extension headers have been walked
    octet ttl = 0;              ///< or hop limit
    octet tos = 0;              ///< or traffic class
    bool dont_fragment = false; ///< the flag of IPv4; for IPv6: there was no fragment header
};

class reassembler {
public:
    static constexpr std::size_t most_datagrams = 64;
    static constexpr std::size_t datagram_buffer = 65536;
    static constexpr std::size_t slot_size = datagram_buffer + datagram_buffer / 64;
    static constexpr duration ipv4_timeout = std::chrono::seconds{30};
    static constexpr duration ipv6_timeout = std::chrono::seconds{60}; ///< RFC 8200 section 4.5

    /// As many slots of `slot_size` as fit `memory`, at most `most_datagrams`. It need not be zeroed, and is touched only where
    /// used.
    explicit reassembler(bytes_span memory) noexcept;

    /// The whole datagram if this fragment was the last one missing; `fragment_held` while others are; else why the fragment was
    /// dropped.
    [[nodiscard]] parsed<reassembled> add(const wire::ipv4_packet& packet, instant now) noexcept;
    [[nodiscard]] parsed<reassembled> add(const wire::ipv6_packet& packet, instant now) noexcept;

    /// Forgets datagrams whose first fragment to arrive came longer ago than the timeout. How many of them were still wanted.
    [[nodiscard]] std::size_t expire(instant now) noexcept;
    /// When `expire` has something to do; `instant::max()` if nothing is held.
    [[nodiscard]] instant next_expiry() const noexcept;
    /// How many datagrams made room for others since the last call: each counts as `fragment_no_memory`.
    [[nodiscard]] std::size_t take_evicted() noexcept;
    /// Datagrams that occupy a slot now.
    [[nodiscard]] std::size_t held() const noexcept { return held_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    /// RFC 791 section 3.2, RFC 8200 section 4.5: what fragments of one datagram have in common.
    struct key {
        ip_address source, destination;
        std::uint32_t identification = 0;
        octet protocol = 0; ///< IPv4 only
        bool operator==(const key&) const = default;
    };
    struct fragment {
        std::size_t offset = 0;
        bool more = false;
        bytes_view octets;
        [[nodiscard]] std::size_t end() const noexcept { return offset + octets.size(); }
    };
    struct datagram {
        key id;
        instant expiry;
        std::uint32_t received = 0; ///< octets that are here
        std::uint32_t highest = 0;  ///< end of the furthest fragment
        std::uint32_t total = 0;    ///< zero until the last fragment came
        reassembled first;          ///< of the fragment at offset zero, without a payload
        bool used = false;
        bool discarded = false; ///< kept only to recognise what is still to come
    };

    [[nodiscard]] parsed<reassembled> hold(const key& id, const fragment& f, const reassembled& header, instant expiry) noexcept;
    [[nodiscard]] drop_reason discard(std::size_t at) noexcept;
    [[nodiscard]] std::size_t find(const key& id) const noexcept;
    [[nodiscard]] std::size_t start(const key& id, instant expiry) noexcept;
    [[nodiscard]] std::size_t make_room(const ip_address& source) noexcept;
    void release(std::size_t at) noexcept;
    [[nodiscard]] bytes_span octets_of_slot(std::size_t at) const noexcept
    {
        return memory_.subspan(at * slot_size, datagram_buffer);
    }
    [[nodiscard]] bytes_span bits_of_slot(std::size_t at) const noexcept
    {
        return memory_.subspan(at * slot_size + datagram_buffer, slot_size - datagram_buffer);
    }

    bytes_span memory_;
    std::size_t capacity_ = 0;
    std::size_t held_ = 0;
    std::size_t evicted_ = 0;
    std::array<datagram, most_datagrams> datagrams_{};
};

} // namespace tapioca
