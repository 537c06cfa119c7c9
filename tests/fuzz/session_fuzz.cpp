// What a front-end says, in any order. The oracle: a ring runs when all its conditions were met and at no other time, what is
// refused changes nothing, indices are in range, and what a message is answered is of the kind that it has.
//
// A message is four octets (request, flags, descriptors, octets of payload) and the payload.
#include "proto/vhost/session.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;
using namespace tapioca::vhost;

namespace {

struct word {
    octet what, flags, descriptors, length;
};
static_assert(sizeof(word) == 4 && wire_header<word>);

constexpr int most_words = 1000;

/// The conditions of a ring, by what was said and not refused.
struct conditions {
    bool size = false, address = false, kick = false, enabled = false;
    bool operator==(const conditions&) const = default;
};

class exerciser {
public:
    void take(const word& w, fuzz_input& in)
    {
        std::array<octet, 256> room{};
        const auto there = in.take(w.length);
        std::copy(there.begin(), there.end(), room.begin());
        const message m{
            {static_cast<request>(w.what % 48), w.flags, w.length}, bytes_view{room}.first(w.length), w.descriptors % 10U};
        const auto before = copy(s_);
        const auto o = s_.take(m);
        FUZZ_CHECK(o.ring < most_rings);
        if (!o.why.empty()) {
            const bool of_state = m.header.what == request::set_device_state_fd || m.header.what == request::check_device_state;
            FUZZ_CHECK(o.what == action::nothing && o.number != 0);
            FUZZ_CHECK(o.reply == reply_kind::none || (of_state && o.reply == reply_kind::number));
            FUZZ_CHECK(same(before, s_));
            return;
        }
        if ((w.flags & 0x80) != 0 && (o.what == action::set_kick || o.what == action::set_log)) {
            s_.undo(o);
            FUZZ_CHECK(same(before, s_));
            return;
        }
        follow(m, o);
        if (o.what == action::stop_ring) {
            s_.stopped(o.ring, static_cast<std::uint16_t>(w.flags * 257));
            FUZZ_CHECK(s_.at(o.ring).base == w.flags * 257);
        }
        check();
    }

private:
    static session copy(const session& s) { return s; }

    static bool same(const session& a, const session& b)
    {
        bool all = a.features() == b.features() && a.is_legacy() == b.is_legacy() && a.acknowledges() == b.acknowledges() &&
                   a.mtu() == b.mtu() && a.log().size == b.log().size && a.log().offset == b.log().offset &&
                   a.regions().size() == b.regions().size();
        for (std::uint32_t i = 0; i < most_rings; ++i) {
            const auto &x = a.at(i), &y = b.at(i);
            all = all && x.size == y.size && x.base == y.base && x.has_address == y.has_address && x.kick == y.kick &&
                  x.enabled == y.enabled && std::memcmp(&x.address, &y.address, sizeof x.address) == 0;
        }
        return all;
    }

    void follow(const message& m, const outcome& o)
    {
        const auto state = m.as<ring_state>();
        const auto number = m.as<std::uint64_t>();
        const auto address = m.as<ring_address>();
        switch (m.header.what) {
        case request::set_features:
            features_ = true;
            version_ = (*number & version_1) != 0;
            FUZZ_CHECK((*number & ~offered_features) == 0);
            if ((*number & protocol_features) == 0)
                for (auto& r : rings_)
                    r.enabled = true;
            break;
        case request::set_vring_num:
            FUZZ_CHECK(state->index < most_rings && state->number >= 1 && state->number <= 1024);
            rings_[state->index].size = true;
            break;
        case request::set_vring_addr:
            rings_[address->index].address = true;
            break;
        case request::set_vring_kick:
            FUZZ_CHECK(m.descriptors == 1);
            rings_[*number & 0xff].kick = true;
            break;
        case request::set_vring_enable:
            rings_[state->index].enabled = state->number == 1;
            break;
        case request::get_vring_base:
            FUZZ_CHECK(o.reply == reply_kind::state && o.ring == state->index);
            rings_[state->index].kick = false;
            break;
        case request::get_features:
        case request::get_protocol_features:
        case request::get_queue_num:
        case request::get_max_mem_slots:
        case request::set_device_state_fd:
        case request::check_device_state:
            FUZZ_CHECK(o.reply == reply_kind::number);
            break;
        default:
            break;
        }
    }

    void check()
    {
        FUZZ_CHECK(s_.regions().size() <= memory_map::most_regions);
        for (std::uint32_t i = 0; i < most_rings; ++i) {
            const auto& r = s_.at(i);
            FUZZ_CHECK((conditions{r.size != 0, r.has_address, r.kick, r.enabled} == rings_[i]));
            FUZZ_CHECK(s_.can_run(i) == (features_ && version_ && rings_[i] == conditions{true, true, true, true}));
            FUZZ_CHECK((r.size & (r.size - 1)) == 0 && r.size <= 1024);
            FUZZ_CHECK(r.address.descriptors % 16 == 0 && r.address.available % 2 == 0 && r.address.used % 4 == 0);
        }
    }

    session s_;
    std::array<conditions, most_rings> rings_{};
    bool features_ = false, version_ = false;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    exerciser e;
    for (int words = 0; words < most_words && !in.empty(); ++words)
        e.take(in.take<word>(), in);
    return 0;
}
