// Which pages of the guest's memory were written while it migrates: a bit for each of 4 KiB, in memory that the front-end reads
// at the same time.
#pragma once

#include "proto/base/bytes.hpp"

namespace tapioca::vhost {

class dirty_log {
public:
    static constexpr std::uint64_t page = 4096;

    dirty_log() noexcept = default;
    explicit dirty_log(bytes_span bits) noexcept : bits_(bits) {}

    [[nodiscard]] explicit operator bool() const noexcept { return !bits_.empty(); }

    /// After the write. What lies beyond the bits is none of the front-end's business.
    void mark(std::uint64_t address, std::uint64_t length) const noexcept
    {
        if (length == 0)
            return;
        const auto last = (address + length - 1) / page;
        for (auto at = address / page; at <= last && at / 8 < bits_.size(); ++at)
            __atomic_fetch_or(&bits_[static_cast<std::size_t>(at / 8)], static_cast<octet>(1U << at % 8), __ATOMIC_RELEASE);
    }

private:
    bytes_span bits_;
};

} // namespace tapioca::vhost
