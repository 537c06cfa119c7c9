#include "proto/vhost/session.hpp"

#include "tests/support/session_front_end.hpp"

#include <algorithm>

namespace tapioca::vhost {
namespace {

using namespace test;

/// All that can be seen of a session.
std::string seen(const session& s)
{
    std::string all;
    const auto put = [&all](auto... n) { ((all += std::to_string(n) + ' '), ...); };
    for (std::uint32_t i = 0; i < most_rings; ++i) {
        const auto& r = s.at(i);
        put(r.size, r.base, r.has_address, r.kick, r.enabled, s.can_run(i), r.address.flags, r.address.descriptors,
            r.address.used, r.address.available, r.address.log);
    }
    put(s.features(), s.log().size, s.log().offset, s.is_legacy(), s.acknowledges(), s.mtu(), s.regions().size());
    for (const auto& r : s.regions())
        put(r.guest, r.size, r.user, r.offset);
    return all;
}

using words = std::vector<front_end_word>;

/// What no front-end may say of features and rings,
words wrong_of_rings()
{
    return {word_of(static_cast<request>(0)),
            word_of(static_cast<request>(39)),
            word_of(static_cast<request>(0xffff'ffff)),
            number_word(request::set_features, bit(2)),
            number_word(request::set_features, driver_features | bit(34)),
            word_of(request::set_features, octets(7)),
            word_of(request::set_features, octets(9)),
            number_word(request::set_features, driver_features, 1),
            number_word(request::set_protocol_features, bit(9)),
            number_word(request::net_set_mtu, 67),
            number_word(request::net_set_mtu, 65536),
            word_of(request::get_features, {}, 1),
            state_word(request::set_vring_num, most_rings, 256),
            state_word(request::set_vring_num, 0, 0),
            state_word(request::set_vring_num, 0, 255),
            state_word(request::set_vring_num, 0, 2048),
            state_word(request::set_vring_num, 0x8000'0000, 256),
            word_of(request::set_vring_num, octets(4)),
            state_word(request::set_vring_base, 0, 0x10000),
            state_word(request::set_vring_base, most_rings, 0),
            state_word(request::get_vring_base, most_rings, 0),
            state_word(request::set_vring_enable, 0, 2),
            state_word(request::set_vring_enable, most_rings, 1),
            address_word(address_of(most_rings)),
            address_word({0, 0, 0x1008, 0x2000, 0x3000, 0}),
            address_word({0, 0, 0x1000, 0x2002, 0x3000, 0}),
            address_word({0, 0, 0x1000, 0x2000, 0x3001, 0}),
            word_of(request::set_vring_addr, octets(39))};
}

/// of descriptors,
words wrong_of_descriptors()
{
    return {number_word(request::set_vring_kick, most_rings, 1),
            number_word(request::set_vring_kick, 0),
            number_word(request::set_vring_kick, 0, 2),
            number_word(request::set_vring_kick, no_descriptor, 1),
            number_word(request::set_vring_call, 0),
            number_word(request::set_vring_call, no_descriptor, 1),
            number_word(request::set_vring_call, 0xff, 1),
            number_word(request::set_vring_err, 0, 3),
            word_of(request::set_vring_err, octets(4), 1)};
}

/// and of memory.
words wrong_of_memory()
{
    auto too_short = table_word({{0, 0x1000, 0x7000'0000, 0}, {0x1000, 0x1000, 0x7000'1000, 0}});
    too_short.payload.pop_back();
    auto nine = table_word({{}, {}, {}, {}, {}, {}, {}, {}});
    nine.payload[0] = 9;
    auto one_fd = table_word({{0x2000, 0x1000, 0x7000'0000, 0}, {0x1000, 0x1000, 0x7000'1000, 0}});
    one_fd.descriptors = 1;
    return {too_short,
            nine,
            one_fd,
            word_of(request::set_mem_table, octets(7)),
            region_word(request::add_mem_reg, {0x9000, 0x1000, 0x9000, 0}, 0),
            region_word(request::add_mem_reg, {0x9000, 0x1000, 0x9000, 0}, 2),
            word_of(request::add_mem_reg, octets(39), 1),
            word_of(request::rem_mem_reg, octets(41)),
            word_of(request::set_log_base, raw(log_area{0, 0}), 1),
            word_of(request::set_log_base, raw(log_area{0x1000, 0}), 0),
            word_of(request::set_log_base, raw(log_area{~std::uint64_t{0}, 2}), 1),
            word_of(request::set_log_base, octets(8), 1)};
}

} // namespace

TEST_CASE("a ring runs when size, address, kick, enable and features are there, in whatever order they came")
{
    std::array<int, 5> order{0, 1, 2, 3, 4};
    int orders = 0;
    do {
        front_end f;
        for (std::size_t i = 0; i < order.size(); ++i) {
            REQUIRE_FALSE(f.s.can_run(3));
            switch (order[i]) {
            case 0:
                f.size(3);
                break;
            case 1:
                f.address(3);
                break;
            case 2:
                f.kick(3);
                break;
            case 3:
                f.enable(3);
                break;
            case 4:
                f.features(driver_features);
                break;
            }
        }
        REQUIRE(f.running() == rings{3});
        ++orders;
    } while (std::next_permutation(order.begin(), order.end()));
    CHECK(orders == 120);
}

TEST_CASE("a driver without VERSION_1 runs nothing, and is known for what it is")
{
    front_end f;
    CHECK_FALSE(f.s.is_legacy()); // nothing is known yet
    f.size(0);
    f.address(0);
    f.kick(0);
    f.features(mrg_rxbuf);
    CHECK(f.s.is_legacy());
    CHECK(f.running().empty());
    f.features(mrg_rxbuf | version_1);
    CHECK_FALSE(f.s.is_legacy());
    CHECK(f.running() == rings{0});
}

TEST_CASE("enabled outlives stops and new features, and is there from the connection on")
{
    front_end f;
    f.enable(0);
    f.enable(1);
    f.features(driver_features);
    for (int start = 0; start < 3; ++start) {
        for (const std::uint32_t ring : {0U, 1U}) {
            f.size(ring);
            f.base(ring, 0);
            f.address(ring);
            f.kick(ring);
        }
        CHECK(f.running() == rings{0, 1});
        CHECK(f.stop(0).what == action::stop_ring);
        CHECK(f.running() == rings{1});
        CHECK(f.stop(1).what == action::stop_ring);
        CHECK(f.running().empty());
        f.features(driver_features);
    }
    f.enable(0, 0);
    f.kick(0);
    CHECK(f.running().empty());
    f.enable(0);
    CHECK(f.running() == rings{0});
}

TEST_CASE("without the protocol's own features there is no enabling: all rings are enabled")
{
    front_end f;
    f.features(version_1 | mrg_rxbuf);
    for (std::uint32_t i = 0; i < most_rings; ++i)
        CHECK(f.s.at(i).enabled);
    f.size(1);
    f.address(1);
    CHECK(f.running().empty());
    f.kick(1);
    CHECK(f.running() == rings{1});
    front_end with_them;
    with_them.features(driver_features);
    for (std::uint32_t i = 0; i < most_rings; ++i)
        CHECK_FALSE(with_them.s.at(i).enabled);
}

TEST_CASE("GET_VRING_BASE stops one ring and is answered with its place; what it says besides is rubbish")
{
    front_end f;
    f.features(driver_features);
    f.runs(0);
    f.runs(2);
    f.base(2, 7);
    const auto o = f.stop(2, 0xdead'beef);
    CHECK(o.what == action::stop_ring);
    CHECK(o.reply == reply_kind::state);
    CHECK(o.ring == 2);
    CHECK(f.running() == rings{0});
    CHECK(f.s.at(2).base == 7);
    f.s.stopped(2, 0xffff);
    CHECK(f.s.at(2).base == 0xffff);
    CHECK(f.s.at(2).size == 256); // the rest is as it was: a kick is enough
    f.kick(2);
    CHECK(f.running() == rings{0, 2});
}

TEST_CASE("LOG_ALL, a log and addresses that log come while rings run, and stop nothing")
{
    front_end f;
    f.features(driver_features);
    f.does(number_word(request::set_protocol_features, with::log_shmfd | with::reply_ack));
    f.runs(0);
    f.runs(1);
    const auto o = f.says(word_of(request::set_log_base, raw(log_area{0x8000, 0x1000}), 1));
    CHECK(o.what == action::set_log);
    CHECK(o.reply == reply_kind::empty);
    CHECK(f.s.log().size == 0x8000);
    CHECK(f.s.log().offset == 0x1000);
    f.features(driver_features | log_all);
    CHECK(f.s.has(log_all));
    f.does(address_word(address_of(0, ring_address_logs)));
    CHECK(f.running() == rings{0, 1});
    f.features(driver_features);
    CHECK_FALSE(f.s.has(log_all));
    CHECK(f.running() == rings{0, 1});
}

TEST_CASE("a log without LOG_SHMFD has no answer of its own")
{
    front_end f;
    CHECK(f.says(word_of(request::set_log_base, raw(log_area{0x8000, 0}), 1)).reply == reply_kind::none);
}

TEST_CASE("what is asked is answered: features, those of the protocol, pairs and memory slots")
{
    front_end f;
    const auto answer = [&f](request what) {
        const auto o = f.says(word_of(what));
        CHECK(o.reply == reply_kind::number);
        CHECK(o.what == action::nothing);
        return o.number;
    };
    CHECK(answer(request::get_features) == offered_features);
    CHECK(answer(request::get_protocol_features) == offered_protocol_features);
    CHECK(answer(request::get_queue_num) == 16);
    CHECK(answer(request::get_max_mem_slots) == 64);
    for (const auto what : {request::set_owner, request::reset_owner})
        CHECK(f.says(word_of(what)).why.empty());
    CHECK(f.says(word_of(request::send_rarp, octets(8))).why.empty());
}

TEST_CASE("acknowledgments and the MTU are what was negotiated")
{
    front_end f;
    CHECK_FALSE(f.s.acknowledges());
    f.does(number_word(request::set_protocol_features, offered_protocol_features));
    CHECK(f.s.acknowledges());
    f.does(number_word(request::net_set_mtu, 9000));
    CHECK(f.s.mtu() == 9000);
    f.does(number_word(request::set_protocol_features, 0));
    CHECK_FALSE(f.s.acknowledges());
}

TEST_CASE("what cannot be done is undone: a kick is there if one was there before, and the log is the one before")
{
    front_end f;
    f.features(driver_features);
    f.size(0);
    f.address(0);
    f.enable(0);
    const auto before = seen(f.s);
    const auto first = f.says(number_word(request::set_vring_kick, 0, 1));
    CHECK(first.what == action::set_kick);
    CHECK(f.s.can_run(0));
    f.s.undo(first);
    CHECK(seen(f.s) == before);
    f.kick(0);
    f.does(word_of(request::set_log_base, raw(log_area{0x8000, 0x1000}), 1));
    const auto running = seen(f.s);
    f.s.undo(f.says(number_word(request::set_vring_kick, 0, 1)));
    CHECK(seen(f.s) == running);
    f.s.undo(f.says(word_of(request::set_log_base, raw(log_area{1, 0}), 1)));
    CHECK(seen(f.s) == running);
}

TEST_CASE("a call or an error descriptor comes, changes or goes at any time; a kick may not go")
{
    front_end f;
    f.features(driver_features);
    f.runs(5);
    for (const auto& [what, does] :
         {std::pair{request::set_vring_call, action::set_call}, std::pair{request::set_vring_err, action::set_error}})
        for (const auto& w : {number_word(what, 5, 1), number_word(what, 5 | no_descriptor), number_word(what, 5, 1)}) {
            const auto o = f.says(w);
            CHECK(o.why.empty());
            CHECK(o.what == does);
            CHECK(o.ring == 5);
        }
    CHECK_FALSE(f.says(number_word(request::set_vring_kick, 5 | no_descriptor)).why.empty());
    CHECK(f.running() == rings{5});
}

TEST_CASE("regions are those of the last message about memory")
{
    front_end f;
    const region a{0, 0x1000, 0x7000'0000, 0}, b{0x1000, 0x2000, 0x7100'0000, 0x40};
    CHECK(f.says(table_word({a, b})).what == action::map_table);
    REQUIRE(f.s.regions().size() == 2);
    CHECK(f.s.regions()[1].offset == 0x40);
    CHECK(f.says(region_word(request::add_mem_reg, b, 1)).what == action::map_region);
    REQUIRE(f.s.regions().size() == 1);
    CHECK(f.s.regions()[0].user == 0x7100'0000);
    CHECK(f.says(region_word(request::rem_mem_reg, a, 0)).what == action::unmap_region);
    CHECK(f.says(region_word(request::rem_mem_reg, a, 1)).what == action::unmap_region); // old front-ends send one
    CHECK(f.says(table_word({})).what == action::map_table);
    CHECK(f.s.regions().empty());
}

TEST_CASE("what is refused leaves everything as it was")
{
    front_end f;
    f.does(number_word(request::set_protocol_features, offered_protocol_features));
    f.features(driver_features);
    f.does(table_word({{0, 0x1000, 0x7000'0000, 0}}));
    f.runs(0);
    f.runs(1);
    f.does(number_word(request::net_set_mtu, 1500));
    f.does(word_of(request::set_log_base, raw(log_area{0x8000, 0}), 1));
    const auto before = seen(f.s);
    for (const auto& wrong : {wrong_of_rings(), wrong_of_descriptors(), wrong_of_memory()})
        for (const auto& w : wrong) {
            const auto o = f.says(w);
            INFO("request " << static_cast<unsigned>(w.header.what) << " of " << w.payload.size() << " octets");
            CHECK_FALSE(o.why.empty());
            CHECK(o.number != 0);
            CHECK(o.what == action::nothing);
            CHECK(seen(f.s) == before);
        }
}

namespace {

front_end_word state_of(std::uint32_t direction, std::uint32_t phase = 0, std::size_t descriptors = 1)
{
    return word_of(request::set_device_state_fd, raw(state_transfer{direction, phase}), descriptors);
}

} // namespace

TEST_CASE("the state of a device that rests goes either way")
{
    front_end f;
    const auto saved = f.says(state_of(0));
    CHECK((saved.what == action::save_state && saved.reply == reply_kind::number && saved.number == no_descriptor));
    CHECK(f.says(word_of(request::check_device_state)).what == action::check_state);
    CHECK(f.says(state_of(1)).what == action::load_state);
}

TEST_CASE("a state that cannot be is refused with an answer, as the front-end waits for one")
{
    front_end f;
    for (const auto& w : {state_of(2), state_of(0, 1), state_of(0, 0, 0), state_of(0, 0, 2),
                          word_of(request::set_device_state_fd, octets(4), 1), word_of(request::check_device_state)}) {
        const auto o = f.says(w);
        CHECK_FALSE(o.why.empty());
        CHECK((o.reply == reply_kind::number && (o.number & 0xff) != 0 && o.what == action::nothing));
    }
    f.features(driver_features);
    f.runs(0);
    CHECK_FALSE(f.says(state_of(0)).why.empty());
    (void)f.stop(0);
    CHECK(f.says(state_of(0)).why.empty());
}

} // namespace tapioca::vhost
