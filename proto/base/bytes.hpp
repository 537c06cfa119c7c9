// Views of octets, and the only two doors through which protocols touch them: `reader` tests bounds, `writer` keeps them.
#pragma once

#include "proto/base/result.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace tapioca {

using octet = std::uint8_t;
using bytes_view = std::span<const octet>;
using bytes_span = std::span<octet>;

/// Octets in several places, in order. The pieces may have more than `octets` in all: what is behind them is none of it.
struct scattered_view {
    std::span<const bytes_view> pieces;
    std::size_t octets = 0;

    /// Calls `take` with each contiguous part of `count` octets from `skip` on.
    template <class Take>
    void each(std::size_t skip, std::size_t count, Take take) const
    {
        for (const auto piece : pieces) {
            if (count == 0)
                return;
            const auto passed = skip < piece.size() ? skip : piece.size();
            const auto left = piece.subspan(passed);
            const auto part = left.first(count < left.size() ? count : left.size());
            skip -= passed;
            count -= part.size();
            if (!part.empty())
                take(part);
        }
    }
};

/// What may be copied to and from the wire as it stands: octet integers and arrays of octets.
template <class T>
concept wire_header = std::is_trivially_copyable_v<T> && alignof(T) == 1;

/// Takes fields off the front of received octets. Every bound of every parser is tested here and nowhere else.
class reader {
public:
    constexpr explicit reader(bytes_view octets) noexcept : rest_(octets) {}

    template <wire_header T>
    [[nodiscard]] parsed<T> take() noexcept
    {
        if (rest_.size() < sizeof(T))
            return drop_reason::truncated;
        T value;
        std::memcpy(&value, rest_.data(), sizeof(T));
        rest_ = rest_.subspan(sizeof(T));
        return value;
    }

    [[nodiscard]] parsed<bytes_view> take(std::size_t count) noexcept
    {
        if (rest_.size() < count)
            return drop_reason::truncated;
        const auto taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }

    [[nodiscard]] constexpr bytes_view rest() const noexcept { return rest_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return rest_.empty(); }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return rest_.size(); }

private:
    bytes_view rest_;
};

/// Appends fields to a buffer of fixed size. The first field that does not fit makes it `full()`; nothing is written from there
/// on.
class writer {
public:
    constexpr explicit writer(bytes_span room) noexcept : room_(room) {}

    template <wire_header T>
    void put(const T& value) noexcept
    {
        if (const auto place = skip(sizeof(T)); !place.empty())
            std::memcpy(place.data(), &value, sizeof(T));
    }

    void put(bytes_view octets) noexcept
    {
        if (octets.empty())
            return;
        if (const auto place = skip(octets.size()); !place.empty())
            std::memcpy(place.data(), octets.data(), octets.size());
    }

    void fill(std::size_t count, octet value = 0) noexcept
    {
        if (count == 0)
            return;
        if (const auto place = skip(count); !place.empty())
            std::memset(place.data(), value, count);
    }

    /// Reserves `count` octets to be written later; empty if they do not fit.
    [[nodiscard]] bytes_span skip(std::size_t count) noexcept
    {
        if (full_ || room_.size() - size_ < count) {
            full_ = true;
            return {};
        }
        const auto place = room_.subspan(size_, count);
        size_ += count;
        return place;
    }

    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr std::size_t room() const noexcept { return room_.size() - size_; }
    [[nodiscard]] constexpr bool full() const noexcept { return full_; }
    [[nodiscard]] constexpr bytes_span written() const noexcept { return room_.first(size_); }

private:
    bytes_span room_;
    std::size_t size_ = 0;
    bool full_ = false;
};

/// The octets of a header, for checksums and emission.
template <wire_header T>
[[nodiscard]] bytes_view octets_of(const T& value) noexcept
{
    return {reinterpret_cast<const octet*>(&value), sizeof(T)};
}

} // namespace tapioca
