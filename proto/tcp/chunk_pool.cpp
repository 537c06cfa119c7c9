#include "proto/tcp/chunk_pool.hpp"

#include <cstring>
#include <utility>

namespace tapioca::tcp {

chunk_pool::index chunk_pool::take() noexcept
{
    auto chunk = free_plus_one_;
    if (chunk != 0)
        free_plus_one_ = next_[chunk - 1U];
    else if (high_water_ < next_.size())
        chunk = ++high_water_;
    else
        return 0;
    next_[chunk - 1U] = 0;
    ++used_;
    return chunk;
}

void chunk_pool::put_back(std::uint32_t chunk) noexcept
{
    next_[chunk] = free_plus_one_;
    free_plus_one_ = static_cast<index>(chunk + 1);
    --used_;
}

std::uint32_t chunk_pool::write(chain& c, std::uint32_t position, bytes_view data) noexcept
{
    auto* link = &c.head_plus_one;
    std::uint32_t at = c.offset + position;
    std::uint32_t written = 0;
    while (written < data.size() && following(*link) != 0) {
        const auto chunk = *link - 1U;
        if (at < chunk_octets) {
            const auto count = std::min<std::size_t>(data.size() - written, chunk_octets - at);
            std::memcpy(data_of(chunk) + at, data.data() + written, count);
            written += static_cast<std::uint32_t>(count);
            at += static_cast<std::uint32_t>(count);
        }
        at -= std::min(at, chunk_octets);
        link = &next_[chunk];
    }
    return written;
}

std::size_t chunk_pool::extend(chain& c, std::size_t octets, std::span<bytes_span> pieces) noexcept
{
    auto* link = &c.head_plus_one;
    std::uint32_t at = c.offset + c.length;
    std::size_t count = 0;
    while (octets != 0 && count < pieces.size() && following(*link) != 0) {
        const auto chunk = *link - 1U;
        if (at < chunk_octets) {
            const auto size = std::min<std::size_t>(octets, chunk_octets - at);
            pieces[count++] = {data_of(chunk) + at, size};
            octets -= size;
            at = chunk_octets;
        }
        at -= chunk_octets;
        link = &next_[chunk];
    }
    return count;
}

void chunk_pool::trim(chain& c) noexcept
{
    if (c.length == 0)
        return release(c);
    auto last = c.head_plus_one - 1U;
    for (std::uint32_t at = c.offset + c.length; at > chunk_octets; at -= chunk_octets)
        last = next_[last] - 1U;
    put_back_all(std::exchange(next_[last], index{0}));
}

std::size_t chunk_pool::gather(const chain& c, std::uint32_t position, std::size_t octets,
                               std::span<bytes_view> pieces) const noexcept
{
    auto left = std::min<std::size_t>(octets, c.length - std::min(position, c.length));
    std::uint32_t at = c.offset + position;
    std::size_t count = 0;
    for (std::uint32_t chunk = c.head_plus_one; left != 0 && count < pieces.size(); chunk = next_[chunk - 1]) {
        if (at < chunk_octets) {
            const auto size = std::min<std::size_t>(left, chunk_octets - at);
            pieces[count++] = {data_of(chunk - 1) + at, size};
            left -= size;
            at = chunk_octets;
        }
        at -= chunk_octets;
    }
    return count;
}

void chunk_pool::consume(chain& c, std::uint32_t count) noexcept
{
    c.length -= count;
    auto offset = c.offset + count;
    for (; offset >= chunk_octets; offset -= chunk_octets) {
        const auto chunk = c.head_plus_one - 1U;
        c.head_plus_one = next_[chunk];
        put_back(chunk);
    }
    c.offset = static_cast<std::uint16_t>(offset);
}

void chunk_pool::put_back_all(index first_plus_one) noexcept
{
    for (std::uint32_t chunk = first_plus_one; chunk != 0;) {
        const auto next = next_[chunk - 1];
        put_back(chunk - 1);
        chunk = next;
    }
}

void chunk_pool::release(chain& c) noexcept
{
    put_back_all(c.head_plus_one);
    c = {};
}

} // namespace tapioca::tcp
