#include "proto/frame/reassembly.hpp"

#include "proto/wire/icmp.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t unit = 8; ///< octets that an offset counts as one
constexpr std::size_t largest_datagram = 65535;

enum class presence { none, some, all };

/// Calls `visit(octet index, mask)` for the bits [begin, end).
template <class Visit>
void for_bits(std::size_t begin, std::size_t end, Visit visit) noexcept
{
    while (begin < end) {
        const std::size_t stop = std::min(end, (begin / 8 + 1) * 8);
        const unsigned mask = (0xffU >> (8 - (stop - begin))) << begin % 8;
        visit(begin / 8, static_cast<octet>(mask));
        begin = stop;
    }
}

presence presence_of(bytes_view bits, std::size_t begin, std::size_t end) noexcept
{
    bool any = false, all = true;
    for_bits(begin, end, [&](std::size_t i, octet mask) {
        any = any || (bits[i] & mask) != 0;
        all = all && (bits[i] & mask) == mask;
    });
    return all ? presence::all : any ? presence::some : presence::none;
}

void mark(bytes_span bits, std::size_t begin, std::size_t end) noexcept
{
    for_bits(begin, end, [&](std::size_t i, octet mask) { bits[i] = static_cast<octet>(bits[i] | mask); });
}

/// What a first fragment must hold of its upper layer (RFC 7112 section 5).
std::size_t least_upper_header(octet protocol) noexcept
{
    switch (protocol) {
    case wire::protocol_tcp:
        return sizeof(wire::tcp_header);
    case wire::protocol_udp:
        return sizeof(wire::udp_header);
    case wire::protocol_icmpv6:
        return sizeof(wire::icmp_header);
    default:
        return 0;
    }
}

} // namespace

reassembler::reassembler(bytes_span memory) noexcept
    : memory_(memory), capacity_(std::min(most_datagrams, memory.size() / slot_size))
{
}

parsed<reassembled> reassembler::add(const wire::ipv4_packet& p, instant now) noexcept
{
    reassembled r;
    r.source = p.source;
    r.destination = p.destination;
    r.protocol = p.protocol;
    r.ttl = p.ttl;
    r.tos = p.tos;
    r.dont_fragment = p.dont_fragment;
    if (p.fragment_offset == 0 && !p.more_fragments) {
        r.payload = p.payload;
        return r;
    }
    const fragment f{p.fragment_offset, p.more_fragments, p.payload};
    if (p.header_length + f.end() > largest_datagram)
        return drop_reason::fragment_too_large;
    return hold({p.source, p.destination, p.identification, p.protocol}, f, r, now + ipv4_timeout);
}

parsed<reassembled> reassembler::add(const wire::ipv6_packet& p, instant now) noexcept
{
    reassembled r;
    r.source = p.source;
    r.destination = p.destination;
    r.protocol = p.protocol;
    r.ttl = p.hop_limit;
    r.tos = p.traffic_class;
    r.dont_fragment = !p.fragment;
    if (p.fragment_offset == 0 && !p.more_fragments) {
        r.payload = p.payload;
        return r;
    }
    const fragment f{p.fragment_offset, p.more_fragments, p.payload};
    // RFC 8200 section 4.5: the payload length that the datagram would have, its fragment header gone
    const std::size_t kept_headers = p.header_length - sizeof(wire::ipv6_header) - sizeof(wire::ipv6_fragment_header);
    if (kept_headers + f.end() > largest_datagram)
        return drop_reason::fragment_too_large;
    if (f.offset == 0) {
        const auto upper = TAPIOCA_TRY(wire::walk_upper(p.protocol, p.payload));
        if (upper.payload.size() < least_upper_header(upper.protocol))
            return drop_reason::truncated;
    }
    auto whole = TAPIOCA_TRY(hold({p.source, p.destination, p.identification, 0}, f, r, now + ipv6_timeout));
    const auto upper = TAPIOCA_TRY(wire::walk_upper(whole.protocol, whole.payload));
    whole.protocol = upper.protocol;
    whole.payload = upper.payload;
    return whole;
}

parsed<reassembled> reassembler::hold(const key& id, const fragment& f, const reassembled& header, instant expiry) noexcept
{
    if (f.octets.empty() || (f.more && f.octets.size() % unit != 0))
        return drop_reason::fragment_bad;
    std::size_t at = find(id);
    if (at == capacity_)
        at = start(id, expiry);
    if (at == capacity_)
        return drop_reason::fragment_no_memory;
    datagram& d = datagrams_[at];
    if (d.discarded)
        return drop_reason::fragment_overlap;

    const bool ends_known = d.total != 0;
    const bool contradicts =
        f.more ? ends_known && f.end() >= d.total : (ends_known && d.total != f.end()) || d.highest > f.end();
    if (contradicts)
        return discard(at);
    const auto place = octets_of_slot(at).subspan(f.offset, f.octets.size());
    const std::size_t first_bit = f.offset / unit, last_bit = (f.end() + unit - 1) / unit;
    const auto here = presence_of(bits_of_slot(at), first_bit, last_bit);
    const bool same_end = f.more == (f.end() != d.total);
    if (here == presence::all && same_end && std::memcmp(place.data(), f.octets.data(), place.size()) == 0)
        return drop_reason::fragment_held;
    if (here != presence::none)
        return discard(at);

    std::memcpy(place.data(), f.octets.data(), place.size());
    mark(bits_of_slot(at), first_bit, last_bit);
    d.received += static_cast<std::uint32_t>(f.octets.size());
    d.highest = std::max(d.highest, static_cast<std::uint32_t>(f.end()));
    if (!f.more)
        d.total = static_cast<std::uint32_t>(f.end());
    if (f.offset == 0)
        d.first = header;
    if (d.received != d.total)
        return drop_reason::fragment_held;
    auto whole = d.first;
    whole.payload = octets_of_slot(at).first(d.total);
    release(at);
    return whole;
}

/// Keeps the slot until its time is over, so that later fragments of the datagram do not start it anew.
drop_reason reassembler::discard(std::size_t at) noexcept
{
    datagrams_[at].discarded = true;
    return drop_reason::fragment_overlap;
}

std::size_t reassembler::find(const key& id) const noexcept
{
    std::size_t left = held_;
    for (std::size_t i = 0; left != 0; ++i) {
        if (!datagrams_[i].used)
            continue;
        if (datagrams_[i].id == id)
            return i;
        --left;
    }
    return capacity_;
}

std::size_t reassembler::start(const key& id, instant expiry) noexcept
{
    const std::size_t at = make_room(id.source);
    if (at == capacity_)
        return at;
    datagrams_[at] = {};
    datagrams_[at].id = id;
    datagrams_[at].expiry = expiry;
    datagrams_[at].used = true;
    ++held_;
    const auto bits = bits_of_slot(at);
    std::memset(bits.data(), 0, bits.size());
    return at;
}

/// A free slot; one is taken from the source's own oldest datagram if it holds its share, from the oldest of all if none is free.
/// As both families' timeouts differ, "oldest" means "would expire first".
std::size_t reassembler::make_room(const ip_address& source) noexcept
{
    const std::size_t share = std::max<std::size_t>(capacity_ / 2, 1);
    std::size_t free = capacity_, oldest = capacity_, own_oldest = capacity_, own = 0;
    const auto earlier = [this](std::size_t i, std::size_t than) {
        return than == capacity_ || datagrams_[i].expiry < datagrams_[than].expiry;
    };
    for (std::size_t i = 0; i < capacity_; ++i) {
        if (!datagrams_[i].used) {
            free = std::min(free, i);
            continue;
        }
        if (earlier(i, oldest))
            oldest = i;
        if (datagrams_[i].id.source != source)
            continue;
        ++own;
        if (earlier(i, own_oldest))
            own_oldest = i;
    }
    if (own < share && free != capacity_)
        return free;
    const std::size_t victim = own >= share ? own_oldest : oldest;
    if (victim == capacity_)
        return capacity_;
    if (!datagrams_[victim].discarded)
        ++evicted_;
    release(victim);
    return victim;
}

void reassembler::release(std::size_t at) noexcept
{
    datagrams_[at].used = false;
    --held_;
}

std::size_t reassembler::expire(instant now) noexcept
{
    std::size_t wanted = 0;
    for (std::size_t i = 0; held_ != 0 && i < capacity_; ++i) {
        if (!datagrams_[i].used || datagrams_[i].expiry > now)
            continue;
        if (!datagrams_[i].discarded)
            ++wanted;
        release(i);
    }
    return wanted;
}

instant reassembler::next_expiry() const noexcept
{
    instant next = instant::max();
    for (std::size_t i = 0; held_ != 0 && i < capacity_; ++i)
        if (datagrams_[i].used)
            next = std::min(next, datagrams_[i].expiry);
    return next;
}

std::size_t reassembler::take_evicted() noexcept
{
    const std::size_t count = evicted_;
    evicted_ = 0;
    return count;
}

} // namespace tapioca
