#include "proto/vhost/split_queue.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/ring_world.hpp"

namespace tapioca::vhost {

using namespace test;
using world = ring_world;

namespace {

ring_fault fault_of(world& w)
{
    w.driver.show();
    (void)w.queue.available(1);
    if (w.queue.fault() != ring_fault::none)
        return w.queue.fault();
    CHECK_FALSE(w.peek());
    CHECK(w.pieces.count == 0);
    CHECK(w.queue.available(1) == 0); // nothing more, whatever the driver does
    return w.queue.fault();
}

} // namespace

TEST_CASE("a chain has its buffers in order, and what is peeked at stays where it is")
{
    world w;
    CHECK(w.queue.available(1) == 0);
    const auto head = w.driver.place({{w.second, 100}, {w.second + 0x200, 7}, {w.third, 12}});
    CHECK(w.queue.available(1) == 0);
    w.driver.show();
    CHECK(w.queue.available(1) == 1);
    for (int twice = 0; twice < 2; ++twice) {
        const auto c = w.peek();
        REQUIRE(c);
        CHECK(c->head == head);
        CHECK(c->octets == 119);
        REQUIRE(w.pieces.count == 3);
        CHECK(w.pieces.pieces[1].at == w.ram.at(w.second + 0x200));
        CHECK(w.pieces.pieces[1].length == 7);
        CHECK(w.pieces.pieces[2].guest == w.third);
        CHECK(w.queue.next() == 0);
    }
    w.queue.take(1);
    CHECK(w.queue.next() == 1);
    CHECK(w.queue.available(1) == 0);
}

TEST_CASE("a buffer that spans regions is as many pieces, and one without octets is none")
{
    world w;
    w.driver.place({{w.second - 8, 0x1010}, {w.second, 0}, {w.end - 1, 1}});
    w.driver.show();
    REQUIRE(w.queue.available(1) == 1);
    const auto c = w.peek();
    REQUIRE(c);
    CHECK(c->octets == 0x1011);
    REQUIRE(w.pieces.count == 4);
    CHECK(w.pieces.pieces[0].length == 8);
    CHECK(w.pieces.pieces[1].length == 0x1000);
    CHECK(w.pieces.pieces[1].at == w.ram.at(w.second));
    CHECK(w.pieces.pieces[2].length == 8);
    CHECK(w.pieces.pieces[2].guest == w.third);
}

TEST_CASE("an indirect table is a chain of its own, may span regions, and may end a chain")
{
    world w{{.indirect = true}};
    std::vector<driver_buffer> many;
    for (std::uint32_t i = 0; i < 8; ++i)
        many.push_back({w.third + 64ULL * i, i + 1});
    w.driver.place_indirect(many, w.third - 16 * 3 - 8); // an entry lies in both regions
    w.ram.go_on_at(w.second);
    const auto table = w.ram.allocate(32);
    w.driver.describe(table, 0, {w.third, 5}, 1, ring_driver::next);
    w.driver.describe(table, 1, {w.third + 5, 6}, 0, 0);
    w.driver.describe(w.driver.descriptors, 5, {w.third + 100, 1}, 6, ring_driver::next);
    w.driver.describe(w.driver.descriptors, 6, {table, 32}, 0, ring_driver::indirect | ring_driver::write); // WRITE says nothing
    w.driver.enter_head(5);
    w.driver.show();
    REQUIRE(w.queue.available(2) == 2);
    const auto first = w.peek();
    REQUIRE(first);
    CHECK(first->octets == 36);
    CHECK(w.pieces.count == 8);
    w.queue.take(1);
    const auto second = w.peek();
    REQUIRE(second);
    CHECK(second->head == 5);
    CHECK(second->octets == 12);
    CHECK(w.pieces.count == 3);
}

TEST_CASE("several chains are peeked at, as far as their pieces fit into a list")
{
    world w{{.way = way::to_guest}};
    for (std::uint32_t i = 0; i < 4; ++i)
        w.driver.place({{w.second + 256ULL * i, 100 + i}});
    w.driver.show();
    REQUIRE(w.queue.available(4) == 4);
    for (std::uint32_t ahead = 0; ahead < 4; ++ahead)
        CHECK(w.queue.peek(ahead, w.ram.map(), w.pieces)->octets == 100 + ahead);
    CHECK(w.pieces.count == 4);
    CHECK(w.pieces.from(3).size() == 1);
    w.pieces.count = piece_list::most;
    CHECK_FALSE(w.queue.peek(0, w.ram.map(), w.pieces)); // no room behind the others is no fault
    CHECK(w.pieces.count == piece_list::most);
    CHECK(w.queue.fault() == ring_fault::none);
    CHECK(w.peek());
}

TEST_CASE("what a driver must not do breaks its ring down")
{
    using d = ring_driver;
    const auto of = [](const driver_options& o, auto wrong) {
        world w{o};
        wrong(w);
        return fault_of(w);
    };
    const driver_options plain, indirect{.indirect = true};
    CHECK(of(plain, [](world& w) { w.driver.enter_head(8); }) == ring_fault::bad_head);
    CHECK(of(plain, [](world& w) { w.driver.enter_head(0xffff); }) == ring_fault::bad_head);
    CHECK(of(plain, [](world& w) {
              w.driver.describe(w.driver.descriptors, 3, {w.second, 4}, 8, d::next);
              w.driver.enter_head(3);
          }) == ring_fault::bad_next);
    CHECK(of(plain, [](world& w) {
              w.driver.describe(w.driver.descriptors, 3, {w.second, 4}, 3, d::next);
              w.driver.enter_head(3);
          }) == ring_fault::loop);
    CHECK(of(plain, [](world& w) { w.driver.place({{w.end - 4, 5}}); }) == ring_fault::not_mapped);
    CHECK(of(plain, [](world& w) { w.driver.place({{w.second, 5}, {0, 1}}); }) == ring_fault::not_mapped);
    CHECK(of(plain, [](world& w) { w.driver.place({{~std::uint64_t{0} - 1, 0xffff'ffff}}); }) == ring_fault::not_mapped);
    CHECK(of(plain, [](world& w) { w.driver.place({{w.second, 5}, {w.third, 1, d::write}}); }) == ring_fault::wrong_direction);
    CHECK(of({.way = way::to_guest}, [](world& w) { w.driver.place({{w.second, 5, d::write}}); }) == ring_fault::wrong_direction);
    CHECK(of(plain, [](world& w) { w.driver.place_indirect({{w.third, 1}}, w.second); }) == ring_fault::bad_indirect);
    const auto table_of = [](std::uint64_t at, std::uint32_t length, int flags = 0) {
        return [=](world& w) {
            w.driver.describe(w.driver.descriptors, 0, {at, length}, 1, d::indirect | flags);
            w.driver.enter_head(0);
        };
    };
    for (const std::uint32_t length : {0U, 15U, 17U, 9 * 16U, 0xffff'fff0U})
        CHECK(of(indirect, table_of(world::second, length)) == ring_fault::bad_indirect);
    CHECK(of(indirect, table_of(world::end - 16, 32)) == ring_fault::not_mapped);
    CHECK(of(indirect, table_of(world::second, 16, d::next)) == ring_fault::nested_indirect);
    const auto entry = [&](const driver_buffer& b, std::uint16_t next, int flags) {
        return of(indirect, [=](world& w) {
            w.driver.describe(w.second, 0, b, next, flags);
            table_of(w.second, 32)(w);
        });
    };
    CHECK(entry({world::third, 32}, 0, d::indirect) == ring_fault::nested_indirect);
    CHECK(entry({world::third, 32}, 2, d::next) == ring_fault::bad_next);
    CHECK(entry({world::third, 32}, 0, d::next) == ring_fault::loop);
    CHECK(entry({world::third, 32}, 0, d::write) == ring_fault::wrong_direction);
    CHECK(entry({world::end, 1}, 0, 0) == ring_fault::not_mapped);
}

TEST_CASE("an available index that leads by more than the ring is a fault, by as much is none")
{
    for (const std::uint16_t first : std::initializer_list<std::uint16_t>{0, 5, 0xfffc}) {
        world w{{.first = first}};
        w.driver.set_index(static_cast<std::uint16_t>(first + 8));
        CHECK(w.queue.available(1) == 8);
        CHECK(w.queue.fault() == ring_fault::none);
        w.driver.set_index(static_cast<std::uint16_t>(first + 9));
        CHECK(w.queue.available(8) == 8); // it is not looked at before it must be
        CHECK(w.queue.available(9) == 0);
        CHECK(w.queue.fault() == ring_fault::index_ahead);
        CHECK(w.queue.available(1) == 0);
        world back{{.first = first}};
        back.driver.set_index(static_cast<std::uint16_t>(first - 1));
        CHECK(back.queue.available(1) == 0);
        CHECK(back.queue.fault() == ring_fault::index_ahead);
    }
}

TEST_CASE("a chain in more pieces than a list has room for is a fault")
{
    world w{{.size = 1024, .indirect = true}};
    const auto table = w.second - 0x4000;
    std::vector<driver_buffer> many(1024, {world::third - 1, 2}); // two pieces each
    w.driver.place_indirect(many, table);
    CHECK(fault_of(w) == ring_fault::too_scattered);
}

TEST_CASE("rings go round for many rounds, with one chain and with all, from any index on")
{
    for (const std::uint16_t first : std::initializer_list<std::uint16_t>{0, 3, 0xfff0}) {
        world w{{.size = 4, .first = first, .event_index = true}};
        std::uint32_t passed = 0;
        for (std::uint32_t round = 0; round < 40'000; ++round) {
            const auto count = round % 5;
            for (std::uint32_t i = 0; i < count; ++i)
                w.driver.place({{w.second + round % 100, round + i + 1}});
            w.driver.show();
            for (std::uint32_t i = 0; i < count; ++i) {
                REQUIRE(w.queue.available(1) == count - i);
                if (w.second + round % 100 + round + i + 1 <= w.end)
                    REQUIRE(w.peek()->octets == round + i + 1);
                w.queue.take(1);
            }
            REQUIRE(w.queue.available(1) == 0);
            for (std::uint32_t i = 0; i < count; ++i) {
                std::uint16_t head = 0;
                std::memcpy(&head, w.ram.at(w.driver.available + 4 + 2 * ((first + passed + i) & 3U)), 2);
                w.queue.give_back(head, round + i, {});
            }
            REQUIRE_FALSE(w.driver.has_used());
            (void)w.queue.publish({});
            for (std::uint32_t i = 0; i < count; ++i)
                REQUIRE(w.driver.take_used()->written == round + i);
            REQUIRE_FALSE(w.driver.has_used());
            passed += count;
        }
        CHECK(w.queue.next() == static_cast<std::uint16_t>(first + passed));
        CHECK(w.driver.used_index() == static_cast<std::uint16_t>(first + passed));
    }
}

TEST_CASE("used elements are shown together, and the index goes on where the driver's memory had it")
{
    world w{{.first = 0xffff}};
    const auto a = w.driver.place({{w.second, 4}}), b = w.driver.place({{w.second, 4}});
    w.driver.show();
    CHECK_FALSE(w.queue.publish({}));
    w.queue.give_back(b, 9, {});
    w.queue.give_back(a, 8, {});
    CHECK(w.driver.used_index() == 0xffff);
    CHECK(w.queue.publish({}));
    CHECK(w.driver.used_index() == 1);
    CHECK_FALSE(w.queue.publish({}));
    CHECK(w.driver.take_used() == ring_driver::used_element{b, 9});
    CHECK(w.driver.take_used() == ring_driver::used_element{a, 8});
}

TEST_CASE("a ring is as full as ever when nothing was taken that did not come back")
{
    world w;
    for (int i = 0; i < 4; ++i)
        w.driver.place({{w.second, 4}});
    w.driver.show();
    CHECK_FALSE(w.queue.is_as_full_as_ever()); // there was never anything
    CHECK(w.queue.available(4) == 4);
    CHECK(w.queue.is_as_full_as_ever());
    (void)w.pass_one();
    CHECK_FALSE(w.queue.is_as_full_as_ever());
    (void)w.queue.publish({});
    (void)w.driver.take_used();
    w.driver.place({{w.second, 4}});
    w.driver.show();
    CHECK(w.queue.available(4) == 4);
    CHECK(w.queue.is_as_full_as_ever());
}

TEST_CASE("used elements and the index are marked by the ring's address for the log")
{
    guest_ram ram{0x10000};
    ram.go_on_at(guest_ram::guest_begin + 0x1000 - 512 - 64); // the used ring's elements cross a page
    ring_driver driver{ram, {.size = 16}};
    auto setup = driver.setup();
    const auto page = 4096ULL;
    setup.at.used_guest = 3 * page - 4 - 8; // the first element lies in page 2, the second in page 3
    split_queue q{setup};
    std::array<octet, 1> bits{};
    const dirty_log log{bits};
    q.give_back(0, 1, log);
    CHECK(bits[0] == 0b0100);
    bits[0] = 0;
    q.give_back(1, 1, log);
    CHECK(bits[0] == 0b1000);
    bits[0] = 0;
    (void)q.publish(log);
    CHECK(bits[0] == 0b0100);
}

TEST_CASE("a ring that moves goes on where it stood")
{
    world w;
    w.driver.place({{w.second, 4}});
    w.driver.place({{w.second, 5}});
    w.driver.show();
    CHECK(w.pass_one()->octets == 4);
    guest_ram elsewhere{0x10000, 0x1000, 0x1000};
    elsewhere.write(guest_ram::guest_begin, w.ram.read(guest_ram::guest_begin, 0x10000));
    const auto to = [&](std::uint64_t guest) { return elsewhere.at(guest); };
    w.queue.move({to(w.driver.descriptors), to(w.driver.available), to(w.driver.used), w.driver.used});
    CHECK(w.pass_one()->octets == 5);
    (void)w.queue.publish({});
    CHECK(w.driver.used_index() == 0);
    std::uint16_t index = 0;
    std::memcpy(&index, to(w.driver.used + 2), 2);
    CHECK(index == 2);
}

} // namespace tapioca::vhost
