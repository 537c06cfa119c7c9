// Regions that come and go, and look-ups at any address. The oracle: what is added does not overlap and does not wrap, and a
// look-up finds what a search through all regions finds, octet by octet, and nothing else.
//
// An event is 33 octets: what, and four numbers of 64 bits.
#include "proto/vhost/memory_map.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;
using namespace tapioca::vhost;

namespace {

struct event {
    octet what;
    std::array<octet, 32> numbers;
};
static_assert(sizeof(event) == 33 && wire_header<event>);

constexpr int most_events = 400;

/// Nothing reads what is mapped, so that regions may be as large as they like: each lies at its own number, times 2^40.
octet* place_of(std::uint64_t number) { return reinterpret_cast<octet*>((number + 1) << 40); }

class exerciser {
public:
    void take(const event& e)
    {
        region r;
        std::memcpy(static_cast<void*>(&r), e.numbers.data(), sizeof r);
        if ((e.what & 0x40) != 0) // small numbers meet more often
            r = {r.guest % 64, r.size % 16, r.user % 64, r.offset % 16};
        if ((e.what & 0x80) != 0 && !all_.empty()) { // close to a region that there is
            const auto& near = all_[r.offset % all_.size()].what;
            r = {near.guest + r.guest % 4 - 2, near.size + r.size % 3 - 1, near.user + r.user % 4 - 2, r.offset % 16};
        }
        switch (e.what % 4) {
        case 0:
        case 1:
            return add(r);
        case 2:
            return remove(r);
        case 3:
            return look_up(r);
        }
    }

private:
    static bool meet(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size)
    {
        return a <= b ? b - a < a_size : a - b < b_size;
    }

    void add(const region& r)
    {
        constexpr auto top = ~std::uint64_t{0};
        const auto why = map_.check(r);
        const bool fits = r.size != 0 && r.guest <= top - r.size && r.user <= top - r.size && r.offset <= top - r.size;
        bool free = true;
        for (const auto& other : all_)
            free = free && !meet(r.guest, r.size, other.what.guest, other.what.size) &&
                   !meet(r.user, r.size, other.what.user, other.what.size);
        FUZZ_CHECK((why == region_fault::none) == (fits && free && all_.size() < memory_map::most_regions));
        FUZZ_CHECK(text_of(why).empty() == (why == region_fault::none));
        if (why != region_fault::none)
            return;
        const memory_map::mapped_region m{r, place_of(count_++)};
        map_.add(m);
        all_.push_back(m);
        look_up({r.guest, r.size, r.user, 0});
    }

    void remove(const region& r)
    {
        const auto same = [&r](const memory_map::mapped_region& m) {
            return m.what.guest == r.guest && m.what.size == r.size && m.what.user == r.user;
        };
        const auto it = std::find_if(all_.begin(), all_.end(), same);
        const auto at = map_.remove(r);
        FUZZ_CHECK(at.has_value() == (it != all_.end()));
        if (!at)
            return;
        FUZZ_CHECK(static_cast<std::size_t>(it - all_.begin()) == *at);
        all_.erase(it);
        FUZZ_CHECK(map_.regions().size() == all_.size());
    }

    void look_up(const region& r)
    {
        const auto found = map_.at_guest(r.guest, r.size);
        bytes_span expected;
        octet* at_user = nullptr;
        for (const auto& m : all_) {
            if (r.guest >= m.what.guest && r.guest - m.what.guest < m.what.size) {
                const auto into = r.guest - m.what.guest;
                expected = {m.memory + into, static_cast<std::size_t>(std::min(r.size, m.what.size - into))};
            }
            if (r.user >= m.what.user && r.user - m.what.user < m.what.size && r.size <= m.what.size - (r.user - m.what.user))
                at_user = m.memory + (r.user - m.what.user);
        }
        FUZZ_CHECK(found.size() == expected.size() && (found.empty() || found.data() == expected.data()));
        FUZZ_CHECK(map_.at_user(r.user, r.size) == at_user);
    }

    memory_map map_;
    std::vector<memory_map::mapped_region> all_;
    std::uint64_t count_ = 0;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    exerciser e;
    for (int events = 0; events < most_events && !in.empty(); ++events)
        e.take(in.take<event>());
    return 0;
}
