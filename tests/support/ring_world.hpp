// A driver and a device over one ring, without anything around them.
#pragma once

#include "proto/vhost/split_queue.hpp"
#include "tests/support/ring_driver.hpp"

namespace tapioca::test {

using namespace vhost;
using way = split_queue::direction;

/// A driver and a device over a ring in the first of three regions that follow each other for the guest.
struct ring_world {
    explicit ring_world(const driver_options& o = {}) : driver(ram, o) {}

    std::optional<chain> peek(std::uint32_t ahead = 0)
    {
        pieces.count = 0;
        return queue.peek(ahead, ram.map(), pieces);
    }
    /// The chain at the front, taken and given back.
    std::optional<chain> pass_one(std::uint32_t written = 0)
    {
        const auto c = queue.available(1) != 0 ? peek() : std::nullopt;
        if (c) {
            queue.take(1);
            queue.give_back(c->head, written, {});
        }
        return c;
    }

    guest_ram ram{0x10000, 0x1000, 0x1000};
    ring_driver driver;
    split_queue queue{driver.setup()};
    piece_list pieces;
    static constexpr std::uint64_t second = guest_ram::guest_begin + 0x10000, third = second + 0x1000, end = third + 0x1000;
};

} // namespace tapioca::test
