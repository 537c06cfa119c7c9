// Rings whose memory is the input: a device that takes, gives back and publishes as it does for any guest, while the guest writes
// whatever it likes between the steps. The oracle: every piece lies in a region, the lengths of pieces sum up to the chain's, a
// device that was told of a fault does nothing more, the used ring has what was given back, and every step ends.
//
// Octets: a shape, then events of four octets, some followed by octets that the guest writes.
#include "proto/base/byte_order.hpp"
#include "proto/vhost/split_queue.hpp"
#include "tests/support/fuzz.hpp"

#include <memory>
#include <vector>

using namespace tapioca;
using namespace tapioca::vhost;

namespace {

struct shape {
    octet size, flags;
    be16 next;
};
static_assert(sizeof(shape) == 4 && wire_header<shape>);

struct event {
    octet what, count;
    be16 at;
};
static_assert(sizeof(event) == 4 && wire_header<event>);

constexpr int most_events = 300;
constexpr std::size_t region_size = 0x1000, regions = 4; // the rings lie in the first
constexpr std::uint64_t descriptors_at = 0, available_at = 0x800, used_at = 0xa00;

class exerciser {
public:
    exerciser(const shape& s, fuzz_input& in)
    {
        setup_.size = static_cast<std::uint16_t>(1U << s.size % 7); // up to 64
        setup_.event_index = (s.flags & 1) != 0;
        setup_.indirect = (s.flags & 2) != 0;
        setup_.way = (s.flags & 4) != 0 ? split_queue::direction::to_guest : split_queue::direction::from_guest;
        setup_.next = s.next;
        for (std::size_t i = 0; i < regions; ++i) {
            memory_.push_back(std::unique_ptr<octet[], aligned>(new (std::align_val_t{4096}) octet[region_size]()));
            const std::uint64_t at = i == 3 ? 0x8000 : i * region_size; // three in a row, and one apart
            map_.add({{at, region_size, at, 0}, memory_.back().get()});
        }
        const auto first = in.take(descriptors_at + 16U * setup_.size);
        std::copy(first.begin(), first.end(), memory_[0].get());
        setup_.at = {memory_[0].get() + descriptors_at, memory_[0].get() + available_at, memory_[0].get() + used_at, 0};
        queue_ = split_queue{setup_};
        used_ = word(used_at + 2);
        next_ = setup_.next;
    }

    void take(const event& e, fuzz_input& in)
    {
        switch (e.what % 8) {
        case 0: // the guest writes anywhere,
            return write(e.at % (regions * region_size), in.take(e.count));
        case 1: // a descriptor,
            return write(descriptors_at + 16U * (e.at % setup_.size), in.take(16));
        case 2: // or makes heads available
            put(available_at + 4 + 2U * (next_ % setup_.size), e.at % (setup_.size + (e.count == 255 ? 8U : 0U)));
            return put(available_at + 2, next_ + e.count % (setup_.size + 2U));
        case 3:
            return peek_and_take(e.count);
        case 4:
            return give_back(e);
        case 5:
            return publish();
        case 6:
            (void)queue_.ask_for_kicks();
            return;
        case 7:
            return queue_.refuse_kicks();
        }
    }

private:
    [[nodiscard]] std::uint16_t word(std::uint64_t at) const
    {
        std::uint16_t value = 0;
        std::memcpy(&value, memory_[0].get() + at, sizeof value);
        return value;
    }
    void put(std::uint64_t at, std::uint64_t value) const
    {
        const auto w = static_cast<std::uint16_t>(value);
        std::memcpy(memory_[0].get() + at, &w, sizeof w);
    }

    /// Anywhere but on the used ring, whose content is checked.
    void write(std::size_t at, bytes_view what) const
    {
        for (const auto o : what) {
            if (at < used_at || at >= used_at + split_queue::used_octets(setup_.size))
                memory_[at / region_size % regions][at % region_size] = o;
            ++at;
        }
    }

    [[nodiscard]] bool lies_in_a_region(const guest_piece& p) const
    {
        for (const auto& r : map_.regions())
            if (p.guest >= r.what.guest && p.guest - r.what.guest < r.what.size)
                return p.at == r.memory + (p.guest - r.what.guest) && p.length <= r.what.size - (p.guest - r.what.guest);
        return false;
    }

    void peek_and_take(std::uint32_t wanted)
    {
        const auto there = queue_.available(wanted);
        FUZZ_CHECK(there <= setup_.size);
        FUZZ_CHECK(there == 0 || queue_.fault() == ring_fault::none);
        pieces_->count = 0;
        std::uint32_t ahead = 0;
        for (; ahead < std::min(there, wanted); ++ahead) {
            const auto first = pieces_->count;
            const auto c = queue_.peek(ahead, map_, *pieces_);
            if (!c) {
                FUZZ_CHECK(pieces_->count == first);
                FUZZ_CHECK(queue_.fault() != ring_fault::none || first != 0);
                break;
            }
            FUZZ_CHECK(c->head < setup_.size);
            std::uint64_t octets = 0;
            for (const auto& p : pieces_->from(first)) {
                FUZZ_CHECK(p.length != 0 && lies_in_a_region(p));
                octets += p.length;
            }
            FUZZ_CHECK(octets == c->octets);
            heads_.push_back(c->head);
        }
        queue_.take(ahead);
        next_ = static_cast<std::uint16_t>(next_ + ahead);
        FUZZ_CHECK(queue_.next() == next_);
        if (queue_.fault() != ring_fault::none)
            FUZZ_CHECK(queue_.available(1) == 0);
    }

    void give_back(const event& e)
    {
        if (heads_.empty())
            return;
        queue_.give_back(heads_.back(), e.at, log_);
        std::uint32_t element[2];
        std::memcpy(element, memory_[0].get() + used_at + 4 + 8U * ((used_ + given_++) % setup_.size), sizeof element);
        FUZZ_CHECK(element[0] == heads_.back() && element[1] == e.at);
        heads_.pop_back();
        FUZZ_CHECK(word(used_at + 2) == used_); // not yet
    }

    void publish()
    {
        const bool calls = queue_.publish(log_);
        FUZZ_CHECK(!calls || given_ != 0);
        used_ = static_cast<std::uint16_t>(used_ + std::exchange(given_, std::uint16_t{0}));
        FUZZ_CHECK(word(used_at + 2) == used_);
    }

    struct aligned {
        void operator()(octet* at) const { ::operator delete[](at, std::align_val_t{4096}); }
    };
    std::vector<std::unique_ptr<octet[], aligned>> memory_;
    memory_map map_;
    split_queue::setup setup_;
    split_queue queue_;
    std::unique_ptr<piece_list> pieces_ = std::make_unique<piece_list>();
    std::vector<std::uint16_t> heads_; ///< taken and not given back
    std::uint16_t used_ = 0, given_ = 0, next_ = 0;
    std::array<octet, 2> bits_{};
    dirty_log log_{bits_};
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    const auto s = in.take<shape>();
    exerciser e{s, in};
    for (int events = 0; events < most_events && !in.empty(); ++events)
        e.take(in.take<event>(), in);
    return 0;
}
