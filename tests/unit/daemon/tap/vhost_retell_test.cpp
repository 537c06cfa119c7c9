// A vhost-user guest whose device is replaced by another process's: both are here, and the front-end speaks with the second one.
#include "tests/support/vhost_front_end.hpp"

using namespace tapioca;
using namespace tapioca::test;
using vhost::request;

namespace {

using lengths = std::vector<std::size_t>;

constexpr std::size_t region_octets = 0x10000;

struct replaced : vhost_front_end {
    replaced()
    {
        share(region_octets);
        share(region_octets);
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        other_end_ = os::unique_fd{ends[0]};
        next.device.emplace(vhost_descriptor{{os::unique_fd{ends[1]}, {}}}, next.place()); // where nobody comes
        next.device->start();
    }
    void runs()
    {
        negotiates();
        REQUIRE(tells_memory() == 0);
        for (const std::uint32_t ring : {0U, 1U}) {
            (void)driver_of(ring);
            starts(ring);
        }
        first.turn();
    }
    std::string_view go_on(const link_in_use& link)
    {
        octets_ = link.octets;
        std::vector<os::unique_fd> passed;
        for (const int fd : link.descriptors)
            passed.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
        const auto state = migrate::read_link(octets_);
        REQUIRE(state);
        return next.device->go_on(*state, passed);
    }
    std::string_view replaces()
    {
        const auto why = go_on(first.device->give());
        if (why.empty())
            first.device.reset();
        return why;
    }
    static constexpr std::uint64_t second = guest_ram::guest_begin + region_octets;
    vhost_worker next;

private:
    os::unique_fd other_end_;
    octets octets_;
};

} // namespace

TEST_CASE("rings go on where they stand, and the guest is not greeted again")
{
    replaced f;
    f.runs();
    f.sends(1, f.second, 60);
    f.first.turn();
    CHECK(f.first.lengths == lengths{60});
    f.drivers[0]->place({{f.second + 0x1000, 2000}});
    f.drivers[0]->show();
    REQUIRE(f.replaces().empty());
    CHECK(f.next.device->has_carrier());
    f.sends(1, f.second, 61);
    f.next.turn();
    f.next.turn();
    CHECK(f.next.lengths == lengths{61});
    CHECK(f.next.greetings == 0);
    CHECK(f.drivers[1]->used_index() == 2);
    f.says(state_word(request::get_vring_base, 1, 0));
    f.next.turn();
    const auto r = f.reply();
    REQUIRE(r);
    CHECK(r->number() == (std::uint64_t{2} << 32 | 1));
}

TEST_CASE("what was said before a replacement counts after it: regions as often as they came, the log, acknowledgments")
{
    replaced f;
    auto& log = f.files.emplace_back(0x1000);
    f.negotiates(vhost::version_1 | vhost::protocol_features | vhost::mrg_rxbuf | vhost::log_all);
    const auto region = region_word(request::add_mem_reg, f.region_of(0), 1);
    CHECK(f.asks(region, {f.files[0].fd.get()}) == 0);
    CHECK(f.asks(region, {f.files[0].fd.get()}) == 0);
    f.says(word_of(request::set_log_base, raw(vhost::log_area{log.memory.size(), 0}), 1), {log.fd.get()});
    f.first.turn();
    REQUIRE(f.reply());
    REQUIRE(f.replaces().empty());
    const auto asks = [&f](front_end_word w) {
        w.header.flags |= vhost::flag_need_reply;
        f.says(w);
        f.next.turn();
        const auto r = f.reply();
        REQUIRE(r);
        return r->number();
    };
    CHECK(asks(region_word(request::rem_mem_reg, f.region_of(0), 0)) == 0);
    CHECK(asks(region_word(request::rem_mem_reg, f.region_of(0), 0)) == 0);
    CHECK(asks(region_word(request::rem_mem_reg, f.region_of(0), 0)) != 0);
    CHECK(f.next.device->give().descriptors.size() == 2); // the connection and the log
}

TEST_CASE("a message that has come in part goes with its descriptor")
{
    replaced f;
    f.negotiates();
    auto w = region_word(request::add_mem_reg, f.region_of(0), 1);
    w.header.flags |= vhost::flag_need_reply;
    const auto whole = raw(w.header) + w.payload;
    auto part = w;
    part.payload.resize(5);
    f.says(part, {f.files[0].fd.get()});
    f.first.turn();
    REQUIRE(f.replaces().empty());
    const auto rest = whole.size() - sizeof w.header - 5;
    REQUIRE(::send(f.socket.get(), whole.data() + whole.size() - rest, rest, 0) == static_cast<ssize_t>(rest));
    f.next.turn();
    const auto r = f.reply();
    REQUIRE(r);
    CHECK(r->number() == 0);
}

TEST_CASE("a guest that migrates is not given")
{
    replaced f;
    f.negotiates();
    CHECK(f.first.device->give().why.empty());
    const os::unique_fd pipe = os::make_event_fd();
    f.says(word_of(request::set_device_state_fd, raw(vhost::state_transfer{}), 1), {pipe.get()});
    f.first.turn();
    CHECK_FALSE(f.first.device->give().why.empty());
}

TEST_CASE("a session that no front-end can have had is refused")
{
    replaced f;
    f.runs();
    const auto link = f.first.device->give();
    REQUIRE(link.why.empty());
    auto without_one = link;
    without_one.descriptors.pop_back();
    CHECK_FALSE(f.go_on(without_one).empty());
    const os::unique_fd file{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (const std::size_t at : {std::size_t{0}, std::size_t{1}, link.descriptors.size() - 1}) {
        auto wrong = link;
        wrong.descriptors[at] = file.get();
        CHECK_FALSE(replaced{}.go_on(wrong).empty());
    }
    auto surplus = link;
    surplus.descriptors.insert(surplus.descriptors.end(), os::passed_fds::most + 1, file.get());
    CHECK_FALSE(replaced{}.go_on(surplus).empty());
    auto unknown = link;
    unknown.octets[sizeof(migrate::link_header) + 1] = 99;
    CHECK_FALSE(replaced{}.go_on(unknown).empty());
    auto of_nobody = link;
    of_nobody.octets.resize(sizeof(migrate::link_header));
    writer to{of_nobody.octets};
    to.put(migrate::link_header{migrate::format_version, 3, 0, 0U, 0U, 0U});
    CHECK_FALSE(replaced{}.go_on(of_nobody).empty());
    of_nobody.descriptors.clear();
    CHECK(replaced{}.go_on(of_nobody).empty());
}
