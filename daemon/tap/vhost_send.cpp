// Frames on their way into buffers that the guest has posted.

#include "daemon/tap/vhost_queue.hpp"
#include "proto/base/checksum.hpp"
#include "proto/frame/emit.hpp"

#include <algorithm>

namespace tapioca {

using vhost::split_queue;

namespace {

constexpr std::size_t header_octets = sizeof(wire::virtio_net_header);
constexpr std::size_t least_frame = 60; ///< Ethernet's, without its checksum

} // namespace

tx_slot vhost_queue::acquire() noexcept { return slot_.subspan(tap_headroom, largest_body); }

/// The ring by whose pair the guest has last sent; of one that has not, any in which it has posted buffers.
split_queue* vhost_queue::sending() noexcept
{
    if (vhost::is_to_guest(answers_on_) && rings_[answers_on_])
        return &rings_[answers_on_];
    for (const auto index : running_)
        if (vhost::is_to_guest(index) && rings_[index].available(1) != 0) {
            forget_posted();
            answers_on_ = index;
            return &rings_[index];
        }
    return nullptr;
}

/// Looks at posted buffers until they have room for so many octets, or there are no more. How many octets there are. If that is
/// less than `least`, pieces of buffers that are used by now may stand in the way: it looks at all again.
std::size_t vhost_queue::gather(std::size_t octets, std::size_t least) noexcept
{
    const auto found = look_at_posted(octets);
    if (found >= least)
        return found;
    forget_posted();
    return look_at_posted(octets);
}

std::size_t vhost_queue::look_at_posted(std::size_t octets) noexcept
{
    auto* const ring = sending();
    if (ring == nullptr)
        return 0;
    if (posted_ring_ != answers_on_)
        forget_posted();
    posted_ring_ = answers_on_;
    if (posted_begin_ == posted_count_)
        forget_posted();
    std::size_t found = 0;
    for (auto i = posted_begin_; i < posted_count_; ++i)
        found += posted_[i].chain.octets;
    const bool merges = (features_ & vhost::mrg_rxbuf) != 0;
    while (found < octets && (merges || posted_begin_ == posted_count_)) {
        const auto ahead = static_cast<std::uint32_t>(posted_count_ - posted_begin_);
        if (posted_count_ == posted_.size() || ring->available(ahead + 1) <= ahead)
            break;
        const auto first = pieces_.count;
        const auto chain = ring->peek(ahead, map_, pieces_);
        if (!chain)
            break;
        posted_[posted_count_++] = {*chain, first};
        found += chain->octets;
    }
    return found;
}

/// Nothing more is accepted until the driver posts buffers, unless it has done so meanwhile or has no more.
void vhost_queue::wait_for_buffers() noexcept
{
    auto* const ring = sending();
    accepts_.store(ring != nullptr && (ring->ask_for_kicks() || ring->is_as_full_as_ever()), std::memory_order_relaxed);
}

std::span<const bytes_span> vhost_queue::acquire_body(std::size_t headers, std::size_t unit, std::size_t most) noexcept
{
    const auto front = header_octets + headers;
    const auto wanted = std::max(front + most, header_octets + least_frame);
    unit = std::min(unit, most);
    auto found = gather(wanted, front + unit);
    if (found < front + unit) {
        wait_for_buffers();
        if (!accepts_data())
            return {};
        found = look_at_posted(wanted);
    }
    if (found <= front) {
        accepts_.store(false, std::memory_order_relaxed); // it has told that it wants a kick
        return {};
    }
    auto left = std::min(found - front, most);
    if (left < most && left >= unit)
        left = left / unit * unit;
    std::size_t skip = front, count = 0;
    for (auto at = posted_[posted_begin_].first; left != 0 && at < pieces_.count && count < body_.size(); ++at) {
        const auto& p = pieces_.pieces[at];
        const auto passed = std::min<std::size_t>(skip, p.length);
        skip -= passed;
        const auto part = std::min<std::size_t>(p.length - passed, left);
        if (part == 0)
            continue;
        body_[count++] = {p.at + passed, part};
        left -= part;
    }
    return trimmed_to(unit, count, left);
}

/// If the pieces ran out before the octets did, whole units are left of them.
std::span<const bytes_span> vhost_queue::trimmed_to(std::size_t unit, std::size_t count, std::size_t missing) noexcept
{
    if (missing == 0)
        return std::span{body_}.first(count);
    std::size_t octets = 0;
    for (std::size_t i = 0; i < count; ++i)
        octets += body_[i].size();
    auto surplus = octets < unit ? 0 : octets % unit;
    while (surplus >= body_[count - 1].size())
        surplus -= body_[--count].size();
    body_[count - 1] = body_[count - 1].first(body_[count - 1].size() - surplus);
    return std::span{body_}.first(count);
}

bool vhost_queue::commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    octet* const end = acquire().data();
    return fill(vnet, {end - headers, headers}, payload);
}

bool vhost_queue::commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    return send(vnet, acquire().data(), headers, payload);
}

bool vhost_queue::send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept
{
    const auto octets = header_octets + std::max(headers + length, least_frame);
    if (gather(octets, octets) < octets) {
        wait_for_buffers();
        counters_.drop(drop_reason::tap_write_failed);
        return false;
    }
    // Frames from a responder have no headers in front of their octets.
    return fill(vnet, {payload - headers, headers + length}, 0);
}

/// Writes headers in front of a payload that is in the buffers already, `behind` octets of it, and gives the buffers to the
/// guest.
bool vhost_queue::fill(wire::virtio_net_header vnet, bytes_span headers, std::size_t behind) noexcept
{
    auto* const ring = sending();
    if (ring == nullptr || posted_begin_ == posted_count_)
        return false;
    const auto frame = headers.size() + behind;
    auto octets = header_octets + std::max(frame, least_frame);
    if (!offload_.checksum)
        complete(vnet, headers, behind);
    const auto begin = posted_begin_;
    auto left = octets;
    for (; left != 0 && posted_begin_ < posted_count_; ++posted_begin_) {
        const auto& chain = posted_[posted_begin_].chain;
        const auto written = std::min<std::size_t>(left, chain.octets);
        ring->give_back(chain.head, static_cast<std::uint32_t>(written), log_);
        left -= written;
    }
    octets -= left; // no more than padding
    vnet.num_buffers = static_cast<std::uint16_t>(posted_begin_ - begin);
    static constexpr std::array<octet, least_frame> padding{};
    auto at = posted_[begin].first;
    std::size_t into = 0;
    put({reinterpret_cast<const octet*>(&vnet), sizeof vnet}, at, into);
    put(headers, at, into);
    if (octets > header_octets + frame)
        pass(behind, at, into);
    put(bytes_view{padding}.first(octets - header_octets - frame), at, into);
    ring->take(vnet.num_buffers);
    if (accepts_data()) // else a kick is waited for, and this frame is no sign that one is on its way
        ring->refuse_kicks();
    if (log_)
        mark(begin, octets);
    counters_.add(report::counter::frames_to_guest);
    counters_.add(report::counter::octets_to_guest, frame);
    return true;
}

/// Copies octets to the piece `at`, from its octet `into` on, and to those behind it.
void vhost_queue::put(bytes_view octets, std::size_t& at, std::size_t& into) noexcept
{
    while (!octets.empty()) {
        const auto& p = pieces_.pieces[at];
        const auto part = std::min<std::size_t>(octets.size(), p.length - into);
        std::memcpy(p.at + into, octets.data(), part);
        octets = octets.subspan(part);
        into += part;
        if (into == p.length) {
            ++at;
            into = 0;
        }
    }
}

/// Goes on behind so many octets.
void vhost_queue::pass(std::size_t octets, std::size_t& at, std::size_t& into) noexcept
{
    for (into += octets; into >= pieces_.pieces[at].length && at + 1 < pieces_.count; ++at)
        into -= pieces_.pieces[at].length;
}

/// The pages that a frame was written to, which begins in the posted chain `begin`.
void vhost_queue::mark(std::size_t begin, std::size_t octets) noexcept
{
    for (auto at = posted_[begin].first; octets != 0; ++at) {
        const auto& p = pieces_.pieces[at];
        const auto written = std::min<std::size_t>(octets, p.length);
        log_.mark(p.guest, written);
        octets -= written;
    }
}

/// For a driver that takes no partial checksums: the payload is summed where it lies.
void vhost_queue::complete(wire::virtio_net_header& vnet, bytes_span headers, std::size_t behind) noexcept
{
    std::uint64_t sum = 0;
    bool odd = (headers.size() - vnet.csum_start) % 2 != 0; // then octets are the other half of their word
    for (auto piece = body_.begin(); behind != 0; ++piece) {
        const auto part = piece->first(std::min(behind, piece->size()));
        const auto more = folded(ones_sum(part));
        sum += odd ? static_cast<std::uint16_t>(more << 8 | more >> 8) : more;
        odd = odd != (part.size() % 2 != 0);
        behind -= part.size();
    }
    complete_checksum(headers, vnet, sum);
    vnet.flags = 0;
    vnet.csum_start = vnet.csum_offset = 0;
}

} // namespace tapioca
