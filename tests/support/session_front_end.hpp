// A front-end of a session without a socket, and what it says.
#pragma once

#include "proto/vhost/session.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/front_end_words.hpp"

namespace tapioca::test {

using namespace vhost;

inline constexpr feature_set driver_features = version_1 | protocol_features | mrg_rxbuf | event_idx;

inline ring_address address_of(std::uint32_t ring, std::uint32_t flags = 0)
{
    const std::uint64_t at = 0x7000'0000 + 0x10000ULL * ring;
    return {ring, flags, at, at + 0x8000, at + 0x4000, 0x1000};
}

struct front_end {
    session s;

    outcome says(const front_end_word& w) { return s.take(w.as_message()); }
    /// One that is accepted.
    void does(const front_end_word& w)
    {
        const auto o = says(w);
        INFO(static_cast<unsigned>(w.header.what) << ": " << o.why);
        REQUIRE(o.why.empty());
        REQUIRE(o.number == 0);
    }
    void features(feature_set f) { does(number_word(request::set_features, f)); }
    void size(std::uint32_t ring, std::uint32_t n = 256) { does(state_word(request::set_vring_num, ring, n)); }
    void address(std::uint32_t ring) { does(address_word(address_of(ring))); }
    void base(std::uint32_t ring, std::uint32_t n) { does(state_word(request::set_vring_base, ring, n)); }
    void kick(std::uint32_t ring) { does(number_word(request::set_vring_kick, ring, 1)); }
    void call(std::uint32_t ring) { does(number_word(request::set_vring_call, ring, 1)); }
    void enable(std::uint32_t ring, std::uint32_t on = 1) { does(state_word(request::set_vring_enable, ring, on)); }
    outcome stop(std::uint32_t ring, std::uint32_t rubbish = 0)
    {
        return says(state_word(request::get_vring_base, ring, rubbish));
    }
    void runs(std::uint32_t ring)
    {
        size(ring);
        address(ring);
        kick(ring);
        enable(ring);
        REQUIRE(s.can_run(ring));
    }
    [[nodiscard]] std::vector<std::uint32_t> running() const
    {
        std::vector<std::uint32_t> all;
        for (std::uint32_t i = 0; i < most_rings; ++i)
            if (s.can_run(i))
                all.push_back(i);
        return all;
    }
};

using rings = std::vector<std::uint32_t>;

} // namespace tapioca::test
