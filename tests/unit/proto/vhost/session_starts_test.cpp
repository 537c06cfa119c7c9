// How front-ends start, stop and start again: what was seen of QEMU and DPDK, and what cloud-hypervisor documents.
#include "tests/support/session_front_end.hpp"

namespace tapioca::vhost {

using namespace test;

TEST_CASE("QEMU's start, stop and start again: CALL and ERR come first, ENABLE before the features and never again")
{
    front_end f;
    for (int pair = 0; pair < 2; ++pair) { // for each pair of queues
        CHECK(f.says(word_of(request::get_features)).number == offered_features);
        f.says(word_of(request::get_protocol_features));
        f.does(number_word(request::set_protocol_features, offered_protocol_features));
        if (pair == 0) {
            f.says(word_of(request::get_queue_num));
            f.does(word_of(request::set_owner));
        }
        for (const std::uint32_t ring : {2U * static_cast<unsigned>(pair), 2U * static_cast<unsigned>(pair) + 1}) {
            f.call(ring);
            f.does(number_word(request::set_vring_err, ring, 1));
        }
    }
    for (int boot = 0; boot < 2; ++boot) {
        for (std::uint32_t ring = 0; ring < 4; ++ring)
            f.enable(ring);
        CHECK(f.running().empty());
        f.features(driver_features | mq);
        f.does(region_word(request::add_mem_reg, {0, 0x8000'0000, 0x7f00'0000'0000, 0}, 1));
        for (std::uint32_t ring = 0; ring < 4; ++ring) {
            f.size(ring);
            f.base(ring, 0);
            f.address(ring);
            f.kick(ring);
            CHECK(f.s.can_run(ring));
            f.call(ring);
        }
        for (std::uint32_t ring = 0; ring < 4; ++ring)
            CHECK(f.stop(ring).what == action::stop_ring);
        CHECK(f.running().empty());
    }
}

TEST_CASE("DPDK's start: the owner first, enabled last, and guest's addresses that are its own")
{
    front_end f;
    f.does(word_of(request::set_owner));
    f.says(word_of(request::get_features));
    f.says(word_of(request::get_protocol_features));
    f.does(number_word(request::set_protocol_features, with::mq | with::reply_ack));
    f.features(driver_features);
    const std::uint64_t own = 0x1'0000'0000;
    f.does(table_word({{own, 0x4000'0000, own, 0}}));
    for (std::uint32_t ring = 0; ring < 2; ++ring) {
        f.call(ring);
        f.size(ring);
        f.base(ring, 0);
        f.address(ring);
        f.kick(ring);
    }
    CHECK(f.running().empty());
    f.enable(0);
    f.enable(1);
    CHECK(f.running() == rings{0, 1});
    f.enable(0, 0);
    f.enable(1, 0);
    CHECK(f.running().empty());
    CHECK(f.stop(0, 0x5555'5555).reply == reply_kind::state);
}

TEST_CASE("cloud-hypervisor's start: the address before the base, all rings enabled at the end")
{
    front_end f;
    f.does(word_of(request::set_owner));
    f.says(word_of(request::get_features));
    f.features(driver_features | in_order | mq | ctrl_vq);
    f.says(word_of(request::get_protocol_features));
    f.does(number_word(request::set_protocol_features, with::mq | with::configure_mem_slots | with::reply_ack));
    CHECK(f.says(word_of(request::get_queue_num)).number == 16);
    f.features(driver_features | in_order | mq);
    f.does(table_word({{0, 0x1000'0000, 0x7f00'0000'0000, 0}, {0x1'0000'0000, 0x1000'0000, 0x7f10'0000'0000, 0x1000'0000}}));
    for (std::uint32_t ring = 0; ring < 4; ++ring) {
        f.size(ring);
        f.address(ring);
        f.base(ring, 0);
        f.call(ring);
        f.kick(ring);
    }
    CHECK(f.running().empty());
    for (std::uint32_t ring = 0; ring < 4; ++ring)
        f.enable(ring);
    CHECK(f.running() == rings{0, 1, 2, 3});
}

} // namespace tapioca::vhost
