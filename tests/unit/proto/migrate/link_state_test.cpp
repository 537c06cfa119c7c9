#include "proto/migrate/link_state.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <array>

using namespace tapioca;
using namespace tapioca::migrate;
using test::octets;
using test::operator+;

namespace {

link_header head() { return {format_version, static_cast<octet>(link_kind::stream), 1, 0U, 0U, 0U}; }

octets state(const link_header& h, const octets& rest = {}) { return test::copy(octets_of(h)) + rest; }

} // namespace

TEST_CASE("a link comes back as it was given")
{
    auto h = head();
    h.from_guest = 2;
    h.to_guest = 3;
    const auto all = state(h, {1, 2, 3, 4, 5});
    const auto link = read_link(all);
    REQUIRE(link);
    CHECK(link->link == link_kind::stream);
    CHECK(link->has_client);
    CHECK(link->said.empty());
    CHECK(octets(link->from_guest.begin(), link->from_guest.end()) == octets{1, 2});
    CHECK(octets(link->to_guest.begin(), link->to_guest.end()) == octets{3, 4, 5});
}

TEST_CASE("a link of an unknown version, of an unknown kind, or of another length is refused")
{
    const auto why = [](auto change, const octets& rest = {}) {
        auto h = head();
        change(h);
        return read_link(state(h, rest)).why();
    };
    CHECK(read_link(state(head())));
    CHECK(why([](auto& h) { h.version = format_version + 1; }) == drop_reason::bad_version);
    for (const auto kind : {link_kind::none, link_kind::tap, link_kind::count_})
        CHECK(why([kind](auto& h) { h.link = static_cast<octet>(kind); }) == drop_reason::bad_type);
    CHECK(why([](auto& h) { h.client = 2; }) == drop_reason::bad_type);
    CHECK(why([](auto&) {}, {1}) == drop_reason::bad_length);
    CHECK(why([](auto& h) { h.from_guest = 2; }, {1}) == drop_reason::bad_length);
    CHECK(why([](auto& h) { h.said = h.to_guest = 0xffff'ffffU; }, {1}) == drop_reason::bad_length);
    CHECK(why(
              [](auto& h) {
                  h.client = 0;
                  h.to_guest = 1;
              },
              {1}) == drop_reason::bad_length);
    const auto all = state(head());
    CHECK(read_link(bytes_view{all}.first(all.size() - 1)).why() == drop_reason::truncated);
}

TEST_CASE("what a front-end has said comes back message by message")
{
    std::array<octet, 200> room{};
    writer to{room};
    const std::uint64_t number = 7;
    const bytes_view payload{reinterpret_cast<const octet*>(&number), sizeof number};
    put_said(to, vhost::request::set_vring_kick, payload, 1);
    put_said(to, vhost::request::set_owner, {}, 0);
    reader from{to.written()};
    const auto kick = take_said(from);
    REQUIRE(kick);
    CHECK(kick->header.what == vhost::request::set_vring_kick);
    CHECK(kick->as<std::uint64_t>() == number);
    CHECK(kick->descriptors == 1);
    CHECK_FALSE(kick->wants_reply());
    CHECK(take_said(from)->payload.empty());
    CHECK(from.empty());
    CHECK_FALSE(take_said(from));
    for (std::size_t cut = 0; cut < said_octets + sizeof number; ++cut) {
        reader part{to.written().first(cut)};
        CHECK_FALSE(take_said(part));
    }
}

TEST_CASE("a message that no front-end can have said is refused")
{
    const auto refused = [](std::uint32_t flags, std::uint32_t size, octet descriptors) {
        const vhost::message_header header{vhost::request::set_mem_table, flags, size};
        std::array<octet, 1000> all{};
        writer to{all};
        to.put(descriptors);
        to.put(bytes_view{reinterpret_cast<const octet*>(&header), sizeof header});
        reader from{all};
        return !take_said(from);
    };
    CHECK_FALSE(refused(vhost::version, vhost::longest_payload, vhost::most_descriptors));
    CHECK(refused(vhost::version, vhost::longest_payload + 1, 0));
    CHECK(refused(vhost::version, 0, vhost::most_descriptors + 1));
    CHECK(refused(vhost::version | vhost::flag_need_reply, 0, 0));
    CHECK(refused(0, 0, 0));
}
