// The octets that belong at each place of a stream, so that receivers can check what they get without keeping what was sent.
#pragma once

#include "proto/base/bytes.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace tapioca::test {

class stream_pattern {
public:
    explicit stream_pattern(std::uint64_t seed) : shift_(seed * 7919 % period) {}

    /// The first octets are these.
    void begin_with(bytes_view octets) { beginning_.assign(octets.begin(), octets.end()); }

    void fill(bytes_span into, std::uint64_t place) const
    {
        each(into.size(), place, [&](std::size_t at, bytes_view octets) {
            std::memcpy(into.data() + at, octets.data(), octets.size());
            return true;
        });
    }

    [[nodiscard]] bool matches(bytes_view octets, std::uint64_t place) const
    {
        return each(octets.size(), place, [&](std::size_t at, bytes_view expected) {
            return std::memcmp(octets.data() + at, expected.data(), expected.size()) == 0;
        });
    }

private:
    static constexpr std::size_t period = 65521; ///< a prime: no shift by a multiple of a segment or a chunk goes unnoticed

    static const std::array<octet, period>& table()
    {
        static const auto octets = [] {
            std::array<octet, period> t{};
            std::uint32_t x = 1;
            for (auto& o : t) {
                x = x * 1664525 + 1013904223;
                o = static_cast<octet>(x >> 24);
            }
            return t;
        }();
        return octets;
    }

    template <class Visit>
    bool each(std::size_t count, std::uint64_t place, Visit visit) const
    {
        for (std::size_t at = 0; at < count;) {
            const auto begun = static_cast<std::size_t>(std::min<std::uint64_t>(place + at, beginning_.size()));
            const auto from = static_cast<std::size_t>((place + at + shift_) % period);
            const auto octets =
                begun < beginning_.size() ? bytes_view{beginning_}.subspan(begun) : bytes_view{table()}.subspan(from);
            const auto part = std::min(count - at, octets.size());
            if (!visit(at, octets.first(part)))
                return false;
            at += part;
        }
        return true;
    }

    std::uint64_t shift_;
    std::vector<octet> beginning_;
};

} // namespace tapioca::test
