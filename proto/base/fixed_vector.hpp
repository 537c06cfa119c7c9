// A vector and a string that live inside their owner and never allocate; what does not fit is refused.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace tapioca {

template <class T, std::size_t Capacity>
class fixed_vector {
public:
    /// False if it is full; the vector is unchanged then.
    constexpr bool push_back(const T& value) noexcept
    {
        if (size_ == Capacity)
            return false;
        items_[size_++] = value;
        return true;
    }
    constexpr void pop_back() noexcept { --size_; }
    constexpr void clear() noexcept { size_ = 0; }
    /// Removes the element at `at`, keeping the order of the others.
    constexpr void erase(std::size_t at) noexcept
    {
        for (std::size_t i = at + 1; i < size_; ++i)
            items_[i - 1] = items_[i];
        --size_;
    }

    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr bool full() const noexcept { return size_ == Capacity; }
    [[nodiscard]] static constexpr std::size_t capacity() noexcept { return Capacity; }
    constexpr T& operator[](std::size_t i) noexcept { return items_[i]; }
    constexpr const T& operator[](std::size_t i) const noexcept { return items_[i]; }
    constexpr T& back() noexcept { return items_[size_ - 1]; }
    constexpr const T& back() const noexcept { return items_[size_ - 1]; }
    constexpr T* data() noexcept { return items_.data(); }
    constexpr const T* data() const noexcept { return items_.data(); }
    constexpr T* begin() noexcept { return items_.data(); }
    constexpr T* end() noexcept { return items_.data() + size_; }
    constexpr const T* begin() const noexcept { return items_.data(); }
    constexpr const T* end() const noexcept { return items_.data() + size_; }

    constexpr bool operator==(const fixed_vector& other) const noexcept
    {
        return std::equal(begin(), end(), other.begin(), other.end());
    }

private:
    std::array<T, Capacity> items_{};
    std::size_t size_ = 0;
};

template <std::size_t Capacity>
class fixed_string {
public:
    constexpr fixed_string() noexcept = default;
    [[nodiscard]] static constexpr std::size_t capacity() noexcept { return Capacity; }
    /// False if `text` is longer than the capacity; the string is unchanged then.
    constexpr bool assign(std::string_view text) noexcept
    {
        if (text.size() > Capacity)
            return false;
        for (std::size_t i = 0; i < text.size(); ++i)
            characters_[i] = text[i];
        size_ = text.size();
        return true;
    }
    /// False if `text` does not fit behind what is there; the string is unchanged then.
    constexpr bool append(std::string_view text) noexcept
    {
        if (text.size() > Capacity - size_)
            return false;
        for (const char c : text)
            characters_[size_++] = c;
        return true;
    }
    [[nodiscard]] constexpr std::string_view view() const noexcept { return {characters_.data(), size_}; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr bool operator==(const fixed_string& other) const noexcept { return view() == other.view(); }

private:
    std::array<char, Capacity> characters_{};
    std::size_t size_ = 0;
};

} // namespace tapioca
