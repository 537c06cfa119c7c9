// A device of a vhost-user guest with a front-end on a socket pair, memory of memfds, and drivers of its rings.
#include "tests/support/vhost_front_end.hpp"

#include <csignal>
#include <filesystem>

using namespace tapioca;
using namespace tapioca::test;
using report::event_kind;
using vhost::request;

namespace {

using lengths = std::vector<std::size_t>;
using kinds = std::vector<event_kind>;

constexpr std::size_t region_octets = 0x10000;

/// Rings in the first region; two more follow.
struct running : vhost_front_end {
    running()
    {
        for (int i = 0; i < 3; ++i)
            share(region_octets);
        negotiates();
        REQUIRE(tells_memory() == 0);
        for (const std::uint32_t ring : {0U, 1U}) {
            (void)driver_of(ring);
            starts(ring);
        }
        first.turn();
    }
    static constexpr std::uint64_t second = guest_ram::guest_begin + region_octets, third = second + region_octets;
};

std::size_t open_descriptors()
{
    const std::filesystem::directory_iterator all{"/proc/self/fd"};
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

} // namespace

TEST_CASE("a guest whose rings run has the carrier, is greeted once it has posted buffers, and its frames arrive")
{
    running f;
    CHECK(f.first.device->has_carrier());
    CHECK(f.first.greetings == 0);
    f.drivers[0]->place({{f.second, 2000}});
    f.drivers[0]->show();
    f.first.turn();
    CHECK(f.first.greetings == 1);
    f.sends(1, f.third - 100, 300); // over two regions
    f.first.turn();
    f.first.turn();
    CHECK(f.first.lengths == lengths{256}); // the copied part
    CHECK(f.drivers[1]->used_index() == 1);
    CHECK(f.stops(1) == 1);
    CHECK(f.stops(0) == 0);
    CHECK_FALSE(f.first.device->has_carrier());
    CHECK(f.first.told.empty());
}

TEST_CASE("a stopped ring goes on where it stood, without a kick")
{
    running f;
    f.sends(1, f.second, 60);
    f.first.turn();
    CHECK(f.stops(1) == 1);
    f.sends(1, f.second, 61);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60});
    os::unique_fd kick = os::make_event_fd();
    CHECK(f.asks(number_word(request::set_vring_kick, 1, 1), {kick.get()}) == 0);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60, 61});
}

TEST_CASE("a region with buffers that is taken away breaks the ring that refers to it, and costs the connection")
{
    running f;
    CHECK(f.asks(region_word(request::rem_mem_reg, f.region_of(2), 0)) == 0);
    f.sends(1, f.second, 60);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60});
    CHECK(f.first.told.empty());
    f.sends(1, f.third, 60);
    f.first.turn();
    CHECK(f.first.told == kinds{event_kind::vhost_ring_broken, event_kind::client_gone});
    CHECK(f.is_closed());
    CHECK_FALSE(f.first.device->has_carrier());
}

TEST_CASE("a ring whose own memory is taken away stops, and goes on when it is there again")
{
    running f;
    f.sends(1, f.second, 60);
    f.first.turn();
    CHECK(f.asks(region_word(request::rem_mem_reg, f.region_of(0), 0)) == 0);
    CHECK_FALSE(f.first.device->has_carrier());
    f.sends(1, f.second, 61);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60});
    CHECK(f.asks(region_word(request::add_mem_reg, f.region_of(0), 1), {f.files[0].fd.get()}) == 0);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60, 61});
    CHECK(f.first.device->has_carrier());
}

TEST_CASE("a table in the place of the regions moves rings that run, and one that cannot be mapped changes nothing")
{
    running f;
    CHECK(f.asks(table_word({f.region_of(0), f.region_of(1)}), {f.files[0].fd.get(), f.files[1].fd.get()}) == 0);
    f.sends(1, f.second, 60);
    f.first.turn();
    auto beyond = f.region_of(0);
    beyond.offset = 0x1000; // behind the end of the file
    CHECK(f.asks(table_word({f.region_of(1), beyond}), {f.files[1].fd.get(), f.files[0].fd.get()}) != 0);
    CHECK(f.asks(table_word({f.region_of(1), f.region_of(1)}), {f.files[1].fd.get(), f.files[1].fd.get()}) != 0); // overlap
    const os::unique_fd file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
    CHECK(f.asks(table_word({f.region_of(0)}), {file.get()}) != 0); // no memory
    f.sends(1, f.second, 61);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60, 61});
}

TEST_CASE("a ring that is told another size while it runs has that size, and reads nothing behind its end")
{
    running f;
    // The last octets of a region are a ring of two.
    f.ram.go_on_at(f.third - 16 * 3 - 3 * 16);
    auto& small = f.driver_of(3, {.size = 2});
    CHECK(f.asks(state_word(request::set_vring_num, 1, 2)) == 0);
    CHECK(f.asks(address_word(vhost_front_end::address_of(small, 1))) == 0);
    for (std::uint32_t i = 0; i < 7; ++i) {
        small.place({{f.second, 12 + 60 + i}});
        small.show();
        os::signal(f.kicks[1].get());
        f.first.turn();
        REQUIRE(small.used_index() == i + 1);
        REQUIRE(small.take_used());
    }
    CHECK(f.first.lengths == lengths{60, 61, 62, 63, 64, 65, 66});
    CHECK(f.first.told.empty());
}

TEST_CASE("a ring that is not aligned where it lies here does not run")
{
    vhost_front_end f;
    auto& file = f.share(region_octets);
    f.negotiates();
    auto r = f.region_of(0);
    r.user += 4; // what is aligned there is not aligned here
    r.size -= 4;
    CHECK(f.asks(region_word(request::add_mem_reg, r, 1), {file.fd.get()}) == 0);
    (void)f.driver_of(0);
    auto a = vhost_front_end::address_of(*f.drivers[0], 0);
    a.descriptors += 0x1000;
    a.used += 0x1000;
    a.available += 0x1000;
    f.starts(0);
    CHECK(f.asks(address_word(a)) == 0);
    CHECK_FALSE(f.first.device->has_carrier());
}

TEST_CASE("a kick that is no eventfd is refused, and the ring goes on with the one it had")
{
    running f;
    CHECK(f.asks(number_word(request::set_vring_kick, 1, 1), {f.files[0].fd.get()}) == 1);
    CHECK(f.asks(number_word(request::set_vring_call, 1, 1), {f.files[0].fd.get()}) == 1);
    f.sends(1, f.second, 60);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60});
    CHECK(f.first.told == kinds{event_kind::vhost_request_refused, event_kind::vhost_request_refused});
    CHECK(f.first.counters.value(report::counter::vhost_requests_refused) == 2);
}

TEST_CASE("an unknown request is answered if it wants to be, and the connection goes on")
{
    running f;
    CHECK(f.asks(word_of(static_cast<request>(99))) == 1);
    f.says(word_of(static_cast<request>(99)));
    f.first.turn();
    CHECK_FALSE(f.reply());
    CHECK_FALSE(f.is_closed());
    CHECK(f.asks(word_of(request::set_owner)) == 0);
}

TEST_CASE("descriptors in surplus are closed")
{
    running f;
    const auto before = open_descriptors();
    const int fd = f.files[0].fd.get();
    CHECK(f.asks(word_of(request::set_owner), {fd}) == 1);
    CHECK(f.asks(region_word(request::rem_mem_reg, f.region_of(2), 1), {fd}) == 0);
    CHECK(f.asks(number_word(request::set_vring_call, 0, 1), {fd, fd}) == 1);
    CHECK(f.asks(region_word(request::add_mem_reg, f.region_of(2), 1), {f.files[2].fd.get()}) == 0);
    CHECK(open_descriptors() == before);
    f.says(word_of(request::set_owner), {fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd});
    f.first.turn();
    CHECK(f.first.told.back() == event_kind::client_gone);
    CHECK(f.is_closed());
    CHECK(open_descriptors() == before - 8); // the socket, two kicks, two calls and three regions
}

TEST_CASE("a message in pieces is one message")
{
    running f;
    const auto w = state_word(request::get_vring_base, 1, 0);
    const auto all = raw(w.header) + w.payload;
    for (const auto o : all) {
        CHECK_FALSE(f.reply());
        REQUIRE(::send(f.socket.get(), &o, 1, MSG_NOSIGNAL) == 1);
        f.first.turn();
    }
    CHECK(f.reply());
}

TEST_CASE("what is written is marked in the log that the front-end reads, and a log that is refused changes nothing")
{
    running f;
    f.drivers[0]->place({{f.second + 0x1800, 2000}});
    f.drivers[0]->show();
    const shared_file log{(guest_ram::guest_begin + 4 * region_octets) / 4096 / 8};
    f.says(word_of(request::set_log_base, raw(vhost::log_area{log.memory.size(), 0}), 1), {log.fd.get()});
    f.first.turn();
    const auto r = f.reply();
    REQUIRE(r);
    CHECK(r->payload.empty());
    CHECK(f.asks(number_word(request::set_features,
                             vhost::version_1 | vhost::protocol_features | vhost::mrg_rxbuf | vhost::log_all)) == 0);
    CHECK(f.asks(address_word(vhost_front_end::address_of(*f.drivers[0], 0, vhost::ring_address_logs))) == 0);
    CHECK(f.asks(word_of(request::set_log_base, raw(vhost::log_area{1, log.memory.size()}), 1), {log.fd.get()}) == 1);
    octets room(tap_headroom + 1000);
    CHECK(f.first.device->queue().send({}, room.data() + tap_headroom, 0, 1000));
    f.first.turn();
    const auto page = (f.second + 0x1800) / 4096;
    CHECK(log.memory[page / 8] == 1U << page % 8);
    const auto ring = f.drivers[0]->used / 4096;
    CHECK((log.memory[ring / 8] >> ring % 8 & 1) == 1);
}

TEST_CASE("memory that is cut off costs the connection, and nothing else")
{
    os::outlive_vanishing_memory();
    running f;
    REQUIRE(::ftruncate(f.files[1].fd.get(), 0) == 0);
    f.sends(1, f.second, 1000);
    f.first.turn();
    f.first.turn();
    CHECK(f.first.told == kinds{event_kind::vhost_ring_broken, event_kind::client_gone});
    CHECK(f.is_closed());
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGBUS, &action, nullptr);
}
