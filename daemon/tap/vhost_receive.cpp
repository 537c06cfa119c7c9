// Frames that the guest sends.

#include "daemon/tap/vhost_queue.hpp"

#include <algorithm>

namespace tapioca {

namespace {

constexpr std::size_t header_octets = sizeof(wire::virtio_net_header);
constexpr std::size_t least_frame = 14; ///< an Ethernet header

/// Copies from the front of a list of pieces, each octet once.
class piece_reader {
public:
    explicit piece_reader(std::span<const vhost::guest_piece> pieces) noexcept : pieces_(pieces) {}

    void copy(void* to, std::size_t octets) noexcept
    {
        for (auto* at = static_cast<octet*>(to); octets != 0;) {
            const auto part = std::min<std::size_t>(octets, pieces_.front().length - at_);
            std::memcpy(at, pieces_.front().at + at_, part);
            at += part;
            octets -= part;
            skip(part);
        }
        __asm__ volatile("" ::: "memory"); // what is decided on is the copy
    }

    [[nodiscard]] std::size_t pieces_left() const noexcept { return pieces_.size(); }
    /// The next contiguous octets.
    [[nodiscard]] bytes_view next() noexcept
    {
        const bytes_view part{pieces_.front().at + at_, pieces_.front().length - at_};
        skip(part.size());
        return part;
    }

private:
    void skip(std::size_t octets) noexcept
    {
        at_ += octets;
        if (at_ == pieces_.front().length) {
            pieces_ = pieces_.subspan(1);
            at_ = 0;
        }
    }

    std::span<const vhost::guest_piece> pieces_;
    std::size_t at_ = 0; ///< in the first of them
};

} // namespace

std::span<const rx_frame> vhost_queue::receive(std::size_t most) noexcept
{
    give_back_taken();
    body_count_ = 0;
    joined_used_ = false;
    more_.store(false, std::memory_order_relaxed);
    most = std::min(most, most_frames);
    std::size_t count = 0, octets = 0;
    const auto rings = running_.size();
    for (std::size_t i = 0; i < rings; ++i)
        if (const auto index = running_[(next_pair_ + i) % rings]; !vhost::is_to_guest(index))
            count += receive_from(index, count, most, octets);
    ++next_pair_;
    counters_.add(report::counter::frames_from_guest, count);
    counters_.add(report::counter::octets_from_guest, octets);
    return std::span{frames_}.first(count);
}

/// If another one starved, this one may not.
void vhost_queue::answer_on(std::uint32_t ring) noexcept
{
    if (std::exchange(answers_on_, ring) != ring && rings_[ring])
        accepts_.store(true, std::memory_order_relaxed);
}

/// Appends frames of one ring, and asks for a kick if it has no more.
std::size_t vhost_queue::receive_from(std::uint32_t index, std::size_t begin, std::size_t most, std::size_t& octets) noexcept
{
    auto& ring = rings_[index];
    ring.refuse_kicks();
    auto count = begin;
    bool room = true;
    while (ring.available(1) != 0) {
        room = count < most && taken_count_ < taken_.size() && octets < octets_at_once && !joined_used_;
        read_.count = 0;
        const auto chain = room ? ring.peek(0, map_, read_) : std::nullopt;
        if (!chain)
            break;
        if (take_frame(*chain, frames_[count], heads_.data() + count * copied_octets))
            octets += frames_[count++].length();
        ring.take(1);
        taken_[taken_count_++] = {index, chain->head};
    }
    if (count != begin)
        answer_on(index - 1);
    if (ring.fault() == vhost::ring_fault::none && (!room || ring.ask_for_kicks()))
        more_.store(true, std::memory_order_relaxed);
    return count - begin;
}

/// False, which is counted: there is no frame in the chain.
bool vhost_queue::take_frame(const vhost::chain& c, rx_frame& frame, octet* head) noexcept
{
    if (c.octets < header_octets + least_frame) {
        counters_.drop(drop_reason::truncated);
        return false;
    }
    if (c.octets > header_octets + largest_frame) {
        counters_.drop(drop_reason::tap_truncated);
        return false;
    }
    piece_reader from{read_.from(0)};
    from.copy(&frame.vnet, header_octets);
    const auto length = static_cast<std::size_t>(c.octets) - header_octets;
    const auto copied = std::min(length, copied_octets);
    from.copy(head, copied);
    frame.octets = {head, copied};
    frame.body = {};
    if (length == copied)
        return true;
    if (from.pieces_left() > most_body_pieces) {
        joined_used_ = true;
        std::memcpy(joined_.data(), head, copied);
        from.copy(joined_.data() + copied, length - copied);
        frame.octets = joined_.first(length);
        return true;
    }
    const auto first = body_count_;
    while (from.pieces_left() != 0)
        bodies_[body_count_++] = from.next();
    frame.body = {std::span{bodies_}.subspan(first, body_count_ - first), length - copied};
    return true;
}

/// What was received has been dealt with.
void vhost_queue::give_back_taken() noexcept
{
    for (const auto& t : std::span{taken_}.first(taken_count_))
        if (rings_[t.ring])
            rings_[t.ring].give_back(t.head, 0, log_);
    taken_count_ = 0;
}

} // namespace tapioca
