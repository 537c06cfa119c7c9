// Memory of bounded pools: one reservation each, made before the process is sealed, backed by pages only as they are touched.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace tapioca::os {

class arena {
public:
    arena() noexcept = default;
    /// `size` octets of zeroes, mapped MAP_NORESERVE if there are any; throws std::system_error.
    explicit arena(std::size_t size);
    arena(arena&& other) noexcept;
    arena& operator=(arena&& other) noexcept;
    arena(const arena&) = delete;
    arena& operator=(const arena&) = delete;
    ~arena();

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

    /// The whole arena as an array of zero-initialized objects.
    template <class T>
    [[nodiscard]] std::span<T> as() const noexcept
    {
        static_assert(std::is_trivially_copyable_v<T>);
        return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
    }

private:
    std::span<std::byte> bytes_;
};

} // namespace tapioca::os
