// A vhost_queue with a guest's memory and drivers on the other side of its rings.
#pragma once

#include "daemon/os/event_fd.hpp"
#include "daemon/tap/vhost_queue.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/octets.hpp"
#include "tests/support/ring_driver.hpp"

#include <deque>
#include <unistd.h>

namespace tapioca::test {

struct vhost_options {
    vhost::feature_set features = vhost::version_1 | vhost::mrg_rxbuf | vhost::guest_csum;
    std::uint16_t size = 64; ///< of each ring
    std::size_t pairs = 1;
};

/// A frame that reached the guest.
struct arrived {
    wire::virtio_net_header vnet;
    octets frame;
    std::vector<std::uint32_t> written; ///< of each of its buffers
};

class vhost_world {
public:
    using way = vhost::split_queue::direction;
    static constexpr std::size_t header_octets = sizeof(wire::virtio_net_header);

    explicit vhost_world(const vhost_options& o = {}) : options(o)
    {
        queue.set_features(o.features);
        for (std::uint32_t ring = 0; ring < 2 * o.pairs; ++ring) {
            const auto towards = ring % 2 == 0 ? way::to_guest : way::from_guest;
            auto& r = rings_.emplace_back(ram, driver_options{.size = o.size,
                                                              .event_index = (o.features & vhost::event_idx) != 0,
                                                              .indirect = (o.features & vhost::indirect_desc) != 0,
                                                              .way = towards});
            start(ring, r.driver.setup());
        }
    }
    void start(std::uint32_t ring, const vhost::split_queue::setup& s) { queue.start(ring, s, rings_[ring].call.get()); }

    [[nodiscard]] ring_driver& driver(std::uint32_t ring) { return rings_[ring].driver; }
    /// Whether the driver of a ring was called since the last time.
    [[nodiscard]] bool called(std::uint32_t ring)
    {
        std::uint64_t n = 0;
        return ::read(rings_[ring].call.get(), &n, sizeof n) == sizeof n;
    }

    /// The guest posts a chain of buffers, of these lengths, in the ring towards it.
    void place(std::initializer_list<std::uint32_t> lengths, std::uint32_t ring = 0)
    {
        const uncounted_allocations quiet;
        std::vector<driver_buffer> chain;
        for (const auto length : lengths)
            chain.push_back({buffer(length), length});
        const auto head = driver(ring).place(chain);
        rings_[ring].posted[head] = chain;
    }
    void post(std::initializer_list<std::uint32_t> lengths, std::uint32_t ring = 0)
    {
        place(lengths, ring);
        show(ring);
    }
    void post_many(std::size_t count, std::uint32_t length, std::uint32_t ring = 0)
    {
        for (; count != 0; --count)
            place({length}, ring);
        show(ring);
    }
    /// And kicks if it has to.
    void show(std::uint32_t ring = 0)
    {
        driver(ring).show();
        if (driver(ring).must_kick())
            queue.on_kick(ring);
    }

    /// The guest sends a frame in buffers of these lengths, the last as long as it takes; the virtio-net header is part of them.
    std::uint16_t send(const octets& frame, std::initializer_list<std::uint32_t> lengths = {}, std::uint32_t ring = 1,
                       const wire::virtio_net_header& vnet = {})
    {
        const uncounted_allocations quiet;
        octets all(header_octets);
        std::memcpy(all.data(), &vnet, header_octets);
        all = all + frame;
        const auto at = buffer(all.size());
        ram.write(at, all);
        std::vector<driver_buffer> chain;
        std::uint32_t done = 0;
        for (const auto length : lengths) {
            chain.push_back({at + done, length});
            done += length;
        }
        if (done < all.size())
            chain.push_back({at + done, static_cast<std::uint32_t>(all.size()) - done});
        const auto head = driver(ring).place(chain);
        show(ring);
        return head;
    }

    /// The next frame that was shown to the guest.
    std::optional<arrived> take(std::uint32_t ring = 0)
    {
        const uncounted_allocations quiet;
        arrived a;
        octets all;
        for (std::size_t i = 0; i == 0 || i < a.vnet.num_buffers; ++i) {
            const auto used = driver(ring).take_used();
            if (!used)
                return std::nullopt;
            a.written.push_back(used->written);
            auto left = used->written;
            for (const auto& b : rings_[ring].posted[static_cast<std::uint16_t>(used->head)]) {
                const auto part = std::min(left, b.length);
                all = all + ram.read(b.guest, part);
                left -= part;
            }
            if (i == 0)
                std::memcpy(&a.vnet, all.data(), std::min(all.size(), header_octets));
        }
        a.frame.assign(all.begin() + header_octets, all.end());
        return a;
    }

    /// Where somebody finds so many octets to write to; used again after a while.
    [[nodiscard]] std::uint64_t buffer(std::size_t size)
    {
        if (at_ + size > guest_ram::guest_begin + memory_octets)
            at_ = first_buffer;
        return std::exchange(at_, at_ + size);
    }

    vhost_options options;
    static constexpr std::uint64_t memory_octets = std::uint64_t{6} << 20,
                                   first_buffer = guest_ram::guest_begin + (std::uint64_t{1} << 20);
    guest_ram ram{1U << 20, 1U << 20, 3U << 20, 1U << 20};
    vhost::dirty_log log;
    report::counters counters;
    vhost_queue queue{ram.map(), log, counters};

private:
    struct guest_ring {
        guest_ring(guest_ram& r, const driver_options& o) : driver(r, o), call(os::make_event_fd()), posted(o.size) {}
        ring_driver driver;
        os::unique_fd call;
        std::vector<std::vector<driver_buffer>> posted; ///< by the heads of their chains
    };
    std::deque<guest_ring> rings_;
    std::uint64_t at_ = first_buffer;
};

/// Octets that are not like each other.
inline octets pattern(std::size_t length, unsigned seed = 1)
{
    octets all(length);
    for (std::size_t i = 0; i < length; ++i)
        all[i] = static_cast<octet>((i * 7 + i / 251 + seed * 31) % 253);
    return all;
}

} // namespace tapioca::test
