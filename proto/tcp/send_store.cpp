#include "proto/tcp/send_store.hpp"

#include <memory>
#include <utility>

namespace tapioca::tcp {

std::uint32_t send_store::room(std::uint32_t slot) const noexcept
{
    const auto* q = find(slot);
    const auto length = q == nullptr ? 0U : q->octets.length;
    const auto begun = length == 0 ? 0U : (q->octets.offset + length) % chunk_pool::chunk_octets;
    const auto rest = begun == 0 ? 0U : chunk_pool::chunk_octets - begun; // of its last chunk
    const auto free = chunks_.free(), reserve = queues_.size() / 4;
    const auto part = free > reserve ? std::max<std::size_t>((free - reserve) / 8, 1) : std::min<std::size_t>(free, length == 0);
    const auto fair = part * chunk_pool::chunk_octets;
    const auto more = std::max<std::size_t>(rest, fair > length ? fair - length : 0);
    return static_cast<std::uint32_t>(std::min<std::size_t>(more, most_of_flow - std::min(length, most_of_flow)));
}

send_store::queue* send_store::find_or_make(std::uint32_t slot) noexcept
{
    auto& number = of_slot_[slot];
    if (number == 0) {
        number = free_plus_one_;
        if (number != 0)
            free_plus_one_ = queues_[number - 1U].next_free_plus_one;
        else if (high_water_ < queues_.size())
            number = ++high_water_;
        else
            return nullptr;
        std::construct_at(&queues_[number - 1U]);
    }
    return &queues_[number - 1U];
}

std::size_t send_store::extend(std::uint32_t slot, std::size_t octets, std::span<bytes_span> pieces) noexcept
{
    auto* q = find_or_make(slot);
    return q == nullptr ? 0 : chunks_.extend(q->octets, octets, pieces);
}

void send_store::keep(std::uint32_t slot, std::size_t octets) noexcept
{
    if (find(slot) == nullptr)
        return;
    auto& q = queues_[of_slot_[slot] - 1U];
    q.octets.length += static_cast<std::uint32_t>(octets);
    if (q.octets.length == 0)
        release(slot);
    else
        chunks_.trim(q.octets);
}

std::size_t send_store::gather(std::uint32_t slot, std::uint32_t position, std::size_t octets,
                               std::span<bytes_view> pieces) const noexcept
{
    const auto* q = find(slot);
    return q == nullptr ? 0 : chunks_.gather(q->octets, position, octets, pieces);
}

bool send_store::acknowledge(std::uint32_t slot, std::uint32_t count) noexcept
{
    if (count > length(slot))
        return false;
    if (count == length(slot))
        release(slot);
    else
        chunks_.consume(queues_[of_slot_[slot] - 1U].octets, count);
    return true;
}

void send_store::release(std::uint32_t slot) noexcept
{
    if (find(slot) == nullptr)
        return;
    auto& q = queues_[of_slot_[slot] - 1U];
    chunks_.release(q.octets);
    q.next_free_plus_one = free_plus_one_;
    free_plus_one_ = std::exchange(of_slot_[slot], index{0});
}

} // namespace tapioca::tcp
