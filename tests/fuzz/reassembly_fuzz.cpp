// A stream of commands (fragments, copies, overlaps, time) for a small reassembler, whose every answer is compared with that of a
// model that keeps fragments in a list and looks at them octet by octet.
//
// A command is six octets: what (see below), identification and source, offset, length, time that passes, a change of the
// content.
#include "proto/frame/reassembly.hpp"
#include "tests/support/fuzz.hpp"

#include <list>
#include <vector>

using namespace tapioca;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t slots = 4;
constexpr octet is_ipv6 = 1, has_more = 2, far_away = 4, odd_length = 8;

struct command {
    octet what, id, offset, length, wait, change;

    [[nodiscard]] bool v6() const { return (what & is_ipv6) != 0; }
    [[nodiscard]] bool more() const { return (what & has_more) != 0; }
    [[nodiscard]] std::size_t begin() const { return (what & far_away) != 0 ? 65528U - offset * 8U : offset % 32U * 8U; }
    [[nodiscard]] std::size_t size() const { return (length % 32U) * 8U + ((what & odd_length) != 0 ? length / 32U : 0); }
    [[nodiscard]] unsigned source() const { return id >> 2U & 3U; }
};
static_assert(sizeof(command) == 6 && wire_header<command>);

struct piece {
    std::size_t begin = 0;
    bool more = false;
    std::vector<octet> octets;
    [[nodiscard]] std::size_t end() const { return begin + octets.size(); }
    bool operator==(const piece&) const = default;
};

struct model_datagram {
    unsigned key = 0, source = 0;
    instant expiry;
    std::vector<piece> pieces;
    bool discarded = false;

    /// Whether the new piece and those that are here cannot belong to one datagram.
    [[nodiscard]] bool contradicts(const piece& p) const
    {
        for (const auto& old : pieces) {
            if (p.begin < old.end() && old.begin < p.end())
                return true;
            if ((!old.more && p.end() > old.end()) || (!p.more && old.end() > p.end()))
                return true;
        }
        return false;
    }

    /// Whether each octet of the piece is here with the same value, and the piece says the same about the end.
    [[nodiscard]] bool knows(const piece& p) const
    {
        for (std::size_t i = 0; i < p.octets.size(); ++i) {
            bool found = false;
            for (const auto& old : pieces)
                found = found || (p.begin + i >= old.begin && p.begin + i < old.end() &&
                                  old.octets[p.begin + i - old.begin] == p.octets[i]);
            if (!found)
                return false;
        }
        bool ends_here = false;
        for (const auto& old : pieces)
            ends_here = ends_here || (!old.more && old.end() == p.end());
        return ends_here != p.more;
    }

    [[nodiscard]] std::vector<octet> whole() const
    {
        std::vector<octet> octets;
        for (bool grown = true; grown;) {
            grown = false;
            for (const auto& p : pieces)
                if (p.begin == octets.size()) {
                    octets.insert(octets.end(), p.octets.begin(), p.octets.end());
                    grown = true;
                    if (!p.more)
                        return octets;
                    break;
                }
        }
        return {};
    }
};

struct answer {
    drop_reason why = drop_reason::fragment_held;
    std::vector<octet> whole;
};

struct model {
    std::list<model_datagram> held; // the order of the slots does not matter: expiries tell who is oldest
    std::size_t evicted = 0;

    /// Removes the first of those that would expire first, of one source or of all.
    void evict(const unsigned* source)
    {
        auto victim = held.end();
        for (auto d = held.begin(); d != held.end(); ++d)
            if ((source == nullptr || d->source == *source) && (victim == held.end() || d->expiry < victim->expiry))
                victim = d;
        evicted += victim->discarded ? 0 : 1;
        held.erase(victim);
    }

    answer add(unsigned key, unsigned source, const piece& p, instant expiry)
    {
        if (p.octets.empty() || (p.more && p.octets.size() % 8 != 0))
            return {drop_reason::fragment_bad, {}};
        auto d = held.begin();
        while (d != held.end() && d->key != key)
            ++d;
        if (d == held.end()) {
            std::size_t own = 0;
            for (const auto& other : held)
                own += other.source == source ? 1 : 0;
            if (own == slots / 2)
                evict(&source);
            else if (held.size() == slots)
                evict(nullptr);
            d = held.insert(held.end(), {key, source, expiry, {}, false});
        }
        if (d->discarded)
            return {drop_reason::fragment_overlap, {}};
        if (d->knows(p))
            return {};
        if (d->contradicts(p)) {
            d->discarded = true;
            return {drop_reason::fragment_overlap, {}};
        }
        d->pieces.push_back(p);
        answer a{drop_reason::fragment_held, d->whole()};
        if (!a.whole.empty())
            held.erase(d);
        return a;
    }

    std::size_t expire(instant now)
    {
        std::size_t wanted = 0;
        for (auto d = held.begin(); d != held.end();) {
            if (d->expiry > now) {
                ++d;
                continue;
            }
            wanted += d->discarded ? 0 : 1;
            d = held.erase(d);
        }
        return wanted;
    }
};

parsed<reassembled> give(reassembler& frags, const command& c, const piece& p, instant now)
{
    const auto source = static_cast<octet>(c.source());
    if (c.v6()) {
        wire::ipv6_packet packet;
        packet.source = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, source});
        packet.destination = ip_address::v6({0xfd00, 1, 0, 0, 0, 0, 0, 0});
        packet.identification = c.id & 3U;
        packet.protocol = 255; // no upper layer with a least length
        packet.header_length = 48;
        packet.fragment = true;
        packet.fragment_offset = static_cast<std::uint16_t>(p.begin);
        packet.more_fragments = p.more;
        packet.payload = p.octets;
        return frags.add(packet, now);
    }
    wire::ipv4_packet packet;
    packet.source = ip_address::v4(10, 0, 0, source);
    packet.destination = ip_address::v4(10, 1, 0, 0);
    packet.identification = c.id & 3U;
    packet.protocol = 255;
    packet.header_length = 20;
    packet.fragment_offset = static_cast<std::uint16_t>(p.begin);
    packet.more_fragments = p.more;
    packet.payload = p.octets;
    return frags.add(packet, now);
}

void one(reassembler& frags, model& expected, const command& c, instant now)
{
    piece p{c.begin(), c.more(), std::vector<octet>(c.size())};
    for (std::size_t i = 0; i < p.octets.size(); ++i)
        p.octets[i] = static_cast<octet>((p.begin + i) * 5 + c.id + (c.change == i + 1 ? 1 : 0));
    const auto got = give(frags, c, p, now);
    if (p.begin == 0 && !p.more) { // no fragment at all
        FUZZ_CHECK(got && got->payload.data() == p.octets.data() && got->payload.size() == p.octets.size());
        return;
    }
    if (p.end() + (c.v6() ? 0 : 20) > 65535) {
        FUZZ_CHECK(!got && got.why() == drop_reason::fragment_too_large);
        return;
    }
    const unsigned family = c.v6() ? 1 : 0;
    const auto want = expected.add(family << 8 | (c.id & 15U), family << 2 | c.source(), p, now + (c.v6() ? 60s : 30s));
    FUZZ_CHECK(static_cast<bool>(got) == !want.whole.empty());
    if (got)
        FUZZ_CHECK(std::equal(got->payload.begin(), got->payload.end(), want.whole.begin(), want.whole.end()));
    else
        FUZZ_CHECK(got.why() == want.why);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static std::vector<octet> memory(slots * reassembler::slot_size); // never cleared: a slot must not need it
    reassembler frags{memory};
    model expected;
    fuzz_input in{{data, size}};
    instant now{1h};
    while (!in.empty()) {
        const auto c = in.take<command>();
        now += 1ns + c.wait * 500ms; // strictly later, so that the oldest is never in doubt
        FUZZ_CHECK(frags.expire(now) == expected.expire(now));
        one(frags, expected, c, now);
        FUZZ_CHECK(frags.held() == expected.held.size());
        FUZZ_CHECK(frags.take_evicted() == std::exchange(expected.evicted, 0));
        FUZZ_CHECK((frags.next_expiry() == instant::max()) == expected.held.empty());
    }
    return 0;
}
