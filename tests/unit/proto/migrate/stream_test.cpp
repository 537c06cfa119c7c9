#include "proto/migrate/stream.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <string>
#include <vector>

using namespace tapioca;
using namespace tapioca::migrate;
using namespace tapioca::test;

namespace {

using item = stream_decoder::item;

const flow_record flow{.by_peer = false,
                       .guest = ip_address::v4(192, 0, 2, 2),
                       .remote = ip_address::v4(192, 0, 2, 3),
                       .guest_port = 20003,
                       .remote_port = 19,
                       .own = {ip_address::v4(192, 0, 2, 2), 45182},
                       .peer = {ip_address::v4(192, 0, 2, 3), 19},
                       .retries = 1,
                       .guest_scale = 4,
                       .our_scale = 8,
                       .events = 4,
                       .mss = 1460,
                       .send_buffer = 270,
                       .flags = 0x11,
                       .duplicate = 33,
                       .guest_window = 65535,
                       .our_window = 256,
                       .to_guest = seq_number{2869186460},
                       .acknowledged_by_guest = seq_number{2869060028},
                       .from_guest = seq_number{1009},
                       .acknowledged_to_guest = seq_number{1009},
                       .guest_initial = seq_number{1000}};
const socket_record kernel{.send_begin = seq_number{1074293475},
                           .receive_begin = seq_number{3953363640},
                           .send_octets = 3,
                           .unsent = 1,
                           .receive_octets = 5,
                           .mss = 1460,
                           .timestamp = 4171786186,
                           .snd_wl1 = 1,
                           .snd_wnd = 65536,
                           .max_window = 65536,
                           .rcv_wnd = 0,
                           .rcv_wup = 2,
                           .send_scale = 10,
                           .receive_scale = 9,
                           .state = socket_state::established,
                           .options = 7};
const guest_seen seen{
    ip_address::v4(192, 0, 2, 2), ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}), {}, {{0x52, 0x54, 0, 0x12, 0x34, 0x56}}};

template <class Put>
octets written(std::size_t size, Put put)
{
    octets room(size);
    writer out{room};
    put(out);
    REQUIRE((out.size() == size && !out.full()));
    return room;
}
octets preface()
{
    return written(preface_octets, [](writer& w) { put_preface(w, seen); });
}
octets count(std::uint32_t n)
{
    return written(4, [n](writer& w) { put_count(w, n); });
}
octets of(const flow_record& f)
{
    return written(flow_octets, [&](writer& w) { put(w, f); });
}
octets of(const socket_record& s)
{
    return written(socket_octets, [&](writer& w) { put(w, s); });
}
octets whole() { return preface() + count(1) + of(flow) + of(kernel) + octets{1, 2, 3} + octets{4, 5, 6, 7, 8}; }

/// What a decoder finds, fed in pieces of that size.
struct found {
    std::vector<item> items;
    octets send, receive;
    std::optional<flow_record> a_flow;
    std::optional<socket_record> a_socket;
    refusal why = refusal::none;
    bool complete = false;
};
found read(const octets& all, std::size_t piece = 65536, std::uint32_t most = 100)
{
    stream_decoder in{most};
    found f;
    for (std::size_t at = 0; at < all.size(); at += piece) {
        auto part = bytes_view{all}.subspan(at, std::min(piece, all.size() - at));
        for (item what = in.next(part); what != item::nothing; what = in.next(part)) {
            if (what == item::send_octets)
                f.send.insert(f.send.end(), in.octets().begin(), in.octets().end());
            else if (what == item::receive_octets)
                f.receive.insert(f.receive.end(), in.octets().begin(), in.octets().end());
            else
                f.items.push_back(what);
            if (what == item::refused)
                break;
        }
    }
    f.a_flow = in.flow();
    f.a_socket = in.socket();
    f.why = in.why();
    f.complete = in.is_complete();
    return f;
}

} // namespace

TEST_CASE("a record has the octets that upstream's passt was seen to write")
{
    const auto o = of(flow);
    CHECK(octets(o.begin(), o.begin() + 2) == octets{2, 1});
    CHECK(octets(o.begin() + 2 + 10, o.begin() + 18) == octets{0xff, 0xff, 192, 0, 2, 3});
    CHECK(octets(o.begin() + 18 + 10, o.begin() + 34) == octets{0xff, 0xff, 192, 0, 2, 2});
    const octet low = std::bit_cast<std::array<octet, 2>>(std::uint16_t{19})[0];
    CHECK(o[34] == low);
    CHECK(octets(o.begin() + 74, o.begin() + 78) == octets{1, 4, 8, 4});
    CHECK(octets(o.begin() + 78, o.begin() + 86) == octets{0, 0, 5, 0xb4, 0, 0, 1, 14});
    CHECK(octets(o.begin() + 86, o.begin() + 92) == octets{0x11, 33, 0xff, 0xff, 1, 0});
    CHECK(octets(o.begin() + 108, o.end()) == octets{0, 0, 3, 0xe8});
    auto by_peer = flow;
    by_peer.by_peer = true;
    const auto other = of(by_peer), front = preface();
    CHECK(octets(other.begin(), other.begin() + 2) == octets{1, 2});
    CHECK(octets(front.begin(), front.begin() + 16) ==
          octets{0xb1, 0xbb, 0x1d, 0x1b, 0x0b, 0xb1, 0xd1, 0xb0, 0, 0, 0, 2, 0, 0, 0, 2});
}

TEST_CASE("what was written is read, in whatever pieces it comes")
{
    for (const std::size_t piece : {1U, 2U, 7U, 58U, 62U, 113U, 65536U}) {
        INFO(piece);
        const auto f = read(whole(), piece);
        CHECK(f.items == std::vector{item::guest, item::count, item::flow, item::socket, item::flow_end});
        CHECK(f.complete);
        CHECK((f.send == octets{1, 2, 3} && f.receive == octets{4, 5, 6, 7, 8}));
        REQUIRE((f.a_flow && f.a_socket));
        CHECK(of(*f.a_flow) == of(flow));
        CHECK(of(*f.a_socket) == of(kernel));
    }
}

TEST_CASE("a state without connections is complete")
{
    const auto f = read(preface() + count(0));
    CHECK((f.complete && f.why == refusal::none));
}

TEST_CASE("a cut stream is not complete")
{
    const auto all = whole();
    for (std::size_t size = 0; size < all.size(); ++size) {
        const auto f = read({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size)});
        CHECK((!f.complete && f.why == refusal::none));
    }
}

TEST_CASE("what cannot be a stream is refused by its reason")
{
    auto magic = whole(), old = whole(), newer = whole(), compatible = whole();
    magic[7] ^= 1;
    old[11] = old[15] = 1;
    newer[11] = newer[15] = 3;
    compatible[11] = 3;
    CHECK(read(magic).why == refusal::no_state);
    CHECK(read(old).why == refusal::other_version);
    CHECK(read(newer).why == refusal::other_version);
    CHECK(read(compatible).complete);
    CHECK(read(preface() + count(101)).why == refusal::too_many_flows);
    CHECK(read(whole() + octets{0}).why == refusal::octets_behind_it);
    auto too_long = kernel;
    too_long.receive_octets = longest_queue + 1;
    CHECK(read(preface() + count(1) + of(flow) + of(too_long)).why == refusal::queue_too_long);
}

TEST_CASE("a connection that makes no sense costs itself only")
{
    const auto senseless = [](auto change) {
        auto f = flow;
        change(f);
        const auto got = read(preface() + count(2) + of(f) + of(flow) + of(kernel) + octets(8) + of(kernel) + octets(8), 65536);
        CHECK(got.complete);
        const auto alone = read(preface() + count(1) + of(f));
        return !alone.a_flow.has_value();
    };
    CHECK(senseless([](flow_record& f) { f.guest = ip_address::v4(224, 0, 0, 1); }));
    CHECK(senseless([](flow_record& f) { f.peer.address = ip_address::loopback(ip_family::ipv6); }));
    CHECK(senseless([](flow_record& f) { f.own.port = 0; }));
    CHECK(senseless([](flow_record& f) { f.guest_scale = 15; }));
    CHECK(senseless([](flow_record& f) { f.mss = 47; }));
    CHECK(senseless([](flow_record& f) { f.mss = 65536; }));
    CHECK(senseless([](flow_record& f) { f.events = 0x10; }));
    CHECK(senseless([](flow_record& f) { f.to_guest = f.acknowledged_by_guest - 1; }));
    CHECK_FALSE(senseless([](flow_record& f) { f.by_peer = true; }));
}

TEST_CASE("a socket that is in no state of a connection is none, and its octets are passed over")
{
    auto strange = kernel;
    strange.state = static_cast<socket_state>(10); // LISTEN
    auto f = read(preface() + count(1) + of(flow) + of(strange) + octets(8));
    CHECK((f.complete && !f.a_socket));
    strange = kernel;
    strange.unsent = 4;
    f = read(preface() + count(1) + of(flow) + of(strange) + octets(8));
    CHECK((f.complete && !f.a_socket));
    strange = {};
    strange.send_octets = 7;
    f = read(preface() + count(1) + of(flow) + of(strange));
    CHECK((f.complete && !f.a_socket));
}
