// TCP sequence numbers (RFC 9293 section 3.4): they wrap, so they have a type of their own.
#pragma once

#include <cstdint>

namespace tapioca {

class seq_number {
public:
    constexpr seq_number() noexcept = default;
    constexpr explicit seq_number(std::uint32_t value) noexcept : value_(value) {}
    [[nodiscard]] constexpr std::uint32_t value() const noexcept { return value_; }

    constexpr bool operator==(const seq_number&) const = default;
    /// Comparisons are modular: meaningful for numbers less than 2^31 apart.
    friend constexpr bool operator<(seq_number a, seq_number b) noexcept { return a - b < 0; }
    friend constexpr bool operator>(seq_number a, seq_number b) noexcept { return b < a; }
    friend constexpr bool operator<=(seq_number a, seq_number b) noexcept { return !(b < a); }
    friend constexpr bool operator>=(seq_number a, seq_number b) noexcept { return !(a < b); }
    friend constexpr seq_number operator+(seq_number a, std::uint32_t n) noexcept { return seq_number{a.value_ + n}; }
    friend constexpr seq_number operator-(seq_number a, std::uint32_t n) noexcept { return seq_number{a.value_ - n}; }
    /// The signed distance from b to a.
    friend constexpr std::int32_t operator-(seq_number a, seq_number b) noexcept
    {
        return static_cast<std::int32_t>(a.value_ - b.value_);
    }
    constexpr seq_number& operator+=(std::uint32_t n) noexcept
    {
        value_ += n;
        return *this;
    }

private:
    std::uint32_t value_ = 0;
};

static_assert(seq_number(0xffff'fff0) < seq_number(0x10));
static_assert(seq_number(0x10) - seq_number(0xffff'fff0) == 0x20);

} // namespace tapioca
