// A memory tap whose frames pass through the rings of a guest's memory: a vhost_queue with a model of its driver between the
// translators and the frames of the tap. What is given away from the tap's `to_guest` was in the guest's buffers.
#pragma once

#include "daemon/tap/vhost_queue.hpp"
#include "tests/support/memory_tap.hpp"
#include "tests/support/ring_driver.hpp"

namespace tapioca::test {

class vhost_tap final : public tap_queue {
public:
    static constexpr std::uint16_t rx_size = 256, tx_size = 64;
    static constexpr std::uint32_t rx_octets = 1536; ///< of each buffer, as Linux posts them
    static constexpr std::uint32_t tx_octets = 65536 + 64;

    vhost_tap(memory_tap& frames, report::counters& counters)
        : frames_(frames), queue_(ram_.map(), log_, counters),
          rx_(ram_, {.size = rx_size, .event_index = true, .way = vhost::split_queue::direction::to_guest}),
          tx_(ram_, {.size = tx_size, .event_index = true})
    {
        using namespace vhost;
        const auto o = frames.offload();
        queue_.set_features(version_1 | mrg_rxbuf | event_idx | (o.checksum ? guest_csum : 0) |
                            (o.tso ? guest_tso4 | guest_tso6 : 0) | (o.uso ? guest_uso4 | guest_uso6 : 0));
        rx_buffers_ = ram_.allocate(std::uint64_t{rx_size} * rx_octets, 2048);
        tx_buffers_ = ram_.allocate(std::uint64_t{tx_size} * tx_octets);
        queue_.start(0, rx_.setup(), -1);
        queue_.start(1, tx_.setup(), -1);
        post();
    }

    [[nodiscard]] offloads offload() const noexcept override { return queue_.offload(); }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }
    [[nodiscard]] bool accepts_data() const noexcept override { return queue_.accepts_data(); }
    [[nodiscard]] tx_slot acquire() noexcept override { return queue_.acquire(); }
    bool commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override
    {
        return queue_.commit(vnet, headers, payload);
    }
    [[nodiscard]] std::span<const bytes_span> acquire_body(std::size_t headers, std::size_t unit,
                                                           std::size_t most) noexcept override
    {
        return queue_.acquire_body(headers, unit, most);
    }
    bool commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept override
    {
        return queue_.commit_body(vnet, headers, payload);
    }
    bool send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept override
    {
        return queue_.send(vnet, payload, headers, length);
    }

    [[nodiscard]] std::span<const rx_frame> receive(std::size_t most) noexcept override
    {
        {
            const uncounted_allocations quiet;
            while (tx_.take_used()) {
            }
            for (std::size_t i = 0; i < most && !frames_.from_guest.empty() && tx_.free() >= 2; ++i) {
                guest_sends(frames_.from_guest.front());
                frames_.from_guest.pop_front();
            }
        }
        return queue_.receive(most);
    }

    /// The guest takes what has come and posts its buffers anew.
    void flush() noexcept override
    {
        queue_.flush();
        const uncounted_allocations quiet;
        while (guest_receives()) {
        }
        post();
    }

private:
    void post()
    {
        while (rx_.free() != 0) {
            const std::uint64_t at = rx_buffers_ + std::uint64_t{rx_octets} * rx_.next_free();
            rx_.place({{at, rx_octets}});
        }
        rx_.show();
        if (rx_.must_kick())
            queue_.on_kick(0);
    }

    void guest_sends(const memory_frame& frame)
    {
        const auto at = tx_buffers_ + std::uint64_t{tx_octets} * tx_.next_free();
        ram_.write(at, {reinterpret_cast<const octet*>(&frame.vnet), sizeof frame.vnet});
        ram_.write(at + 64, frame.octets);
        tx_.place({{at, sizeof frame.vnet}, {at + 64, static_cast<std::uint32_t>(frame.octets.size())}});
        tx_.show();
        if (tx_.must_kick())
            queue_.on_kick(1);
    }

    bool guest_receives()
    {
        memory_frame frame;
        std::vector<octet> all;
        for (std::size_t i = 0; i == 0 || i < frame.vnet.num_buffers; ++i) {
            const auto used = rx_.take_used();
            if (!used)
                return false;
            const auto part = ram_.read(rx_buffers_ + std::uint64_t{rx_octets} * used->head, used->written);
            all.insert(all.end(), part.begin(), part.end());
            if (i == 0)
                std::memcpy(&frame.vnet, all.data(), sizeof frame.vnet);
        }
        frame.vnet.num_buffers = 0;
        frame.octets.assign(all.begin() + sizeof frame.vnet, all.end());
        frames_.to_guest.push_back(std::move(frame));
        return true;
    }

    memory_tap& frames_;
    guest_ram ram_{256U << 10, 512U << 10, 4U << 20}; // buffers lie in two regions here and there
    vhost::dirty_log log_;
    vhost_queue queue_;
    ring_driver rx_, tx_;
    std::uint64_t rx_buffers_ = 0, tx_buffers_ = 0;
};

} // namespace tapioca::test
