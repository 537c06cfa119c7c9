// A device of a stream socket, with the guests' ends and the owner in the test's hands.
#include "daemon/tap/stream_device.hpp"

#include "daemon/os/clock.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/device_stage.hpp"

using namespace tapioca;
using report::event_kind;
using test::octets;
using test::operator+;

namespace {

/// Where guests connect to, without a name in the file system.
struct address {
    address()
    {
        bound.sun_family = AF_UNIX;
        const auto name = "tapioca-device-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
        name.copy(bound.sun_path + 1, sizeof bound.sun_path - 1);
        length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    }
    const sockaddr* at() const { return reinterpret_cast<const sockaddr*>(&bound); }

    sockaddr_un bound{};
    socklen_t length = 0;
    static inline int count = 0;
};

class stage : public test::device_stage {
public:
    stage()
    {
        os::unique_fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        REQUIRE(::bind(listener.get(), name_.at(), name_.length) == 0);
        REQUIRE(::listen(listener.get(), 8) == 0);
        device.emplace(stream_descriptor{std::move(listener), {}}, place());
        device->start();
    }
    os::unique_fd guest_comes() const
    {
        os::unique_fd guest{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        REQUIRE(::connect(guest.get(), name_.at(), name_.length) == 0);
        return guest;
    }
    /// In the place of another one, whose link it was given, with a listening socket of its own.
    std::string_view go_on(const link_in_use& link)
    {
        copy_ = link.octets;
        std::vector<os::unique_fd> passed;
        for (const int fd : link.descriptors)
            passed.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
        const auto state = migrate::read_link(copy_);
        REQUIRE(state);
        return device->go_on(*state, passed);
    }
    void turn() { test::device_stage::turn(*device); }

    std::optional<stream_device> device;

private:
    address name_;
    octets copy_;
};

octets framed(std::size_t length)
{
    return octets{0, 0, static_cast<octet>(length >> 8), static_cast<octet>(length)} + octets(length, 9);
}

void send(const os::unique_fd& from, const octets& o)
{
    REQUIRE(::send(from.get(), o.data(), o.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(o.size()));
}

bool is_closed(const os::unique_fd& guest)
{
    octet o{};
    return ::recv(guest.get(), &o, 1, 0) == 0;
}

using kinds = std::vector<event_kind>;

} // namespace

TEST_CASE("a guest that comes is greeted once, and has the carrier until it goes")
{
    stage s;
    CHECK_FALSE(s.device->has_carrier());
    CHECK(s.spare);
    auto guest = s.guest_comes();
    s.turn();
    CHECK(s.device->has_carrier());
    CHECK(s.greetings == 1);
    send(guest, framed(60) + framed(1514));
    s.turn();
    CHECK(s.lengths == std::vector<std::size_t>{60, 1514});
    guest.reset();
    s.turn();
    s.turn();
    CHECK_FALSE(s.device->has_carrier());
    CHECK(s.told == kinds{event_kind::client_accepted, event_kind::client_gone});
}

TEST_CASE("who comes while a guest is served is turned away, and the one that is served stays")
{
    stage s;
    const auto first = s.guest_comes();
    s.turn();
    const auto second = s.guest_comes();
    s.turn();
    CHECK(is_closed(second));
    send(first, framed(64));
    s.turn();
    CHECK(s.lengths == std::vector<std::size_t>{64});
    CHECK(s.greetings == 1);
    CHECK(s.told == kinds{event_kind::client_accepted, event_kind::client_refused});
}

TEST_CASE("the end of one guest and the coming of the next in one turn are no refusal, and what the first said last is read")
{
    stage s;
    auto first = s.guest_comes();
    s.turn();
    send(first, framed(60));
    first.reset();
    const auto second = s.guest_comes();
    for (int i = 0; i < 4; ++i)
        s.turn();
    CHECK(s.lengths == std::vector<std::size_t>{60});
    CHECK(s.greetings == 2);
    CHECK(s.told == kinds{event_kind::client_accepted, event_kind::client_gone, event_kind::client_accepted});
    CHECK(s.device->has_carrier());
}

TEST_CASE("a guest that is not understood is let go, and the next one is served")
{
    stage s;
    const auto first = s.guest_comes();
    s.turn();
    send(first, octets{0xff, 0xff, 0xff, 0xff});
    s.turn();
    CHECK(is_closed(first));
    const auto second = s.guest_comes();
    s.turn();
    CHECK(s.told == kinds{event_kind::client_accepted, event_kind::client_misunderstood, event_kind::client_gone,
                          event_kind::client_accepted});
}

TEST_CASE("many frames are read a few batches a turn, and the next turn goes on without an event")
{
    stage s;
    const auto guest = s.guest_comes();
    s.turn();
    octets many;
    for (int i = 0; i < 1000; ++i)
        many = many + framed(60);
    send(guest, many);
    s.turn();
    CHECK(s.lengths.size() == 8 * tap_queue::most_frames);
    CHECK(s.device->has_more());
    s.turn();
    s.turn();
    CHECK(s.lengths.size() == 1000);
    CHECK_FALSE(s.device->has_more());
}

TEST_CASE("a guest that comes when no descriptor is left is served with the spare one")
{
    stage s;
    s.fill_descriptors();
    // Its own end needs one, too.
    s.free_a_descriptor();
    const auto guest = s.guest_comes();
    s.turn();
    CHECK(s.device->has_carrier());
    CHECK_FALSE(s.spare);
}

TEST_CASE("nobody new is let in when it listens no more, and the guest that is there is heard")
{
    stage s;
    const auto guest = s.guest_comes();
    s.turn();
    s.device->stop_listening();
    send(guest, framed(60));
    s.turn();
    CHECK(s.lengths.size() == 1);
    CHECK(s.device->has_carrier());
}

TEST_CASE("a guest that is there from the start is greeted, and with it the carrier goes for good")
{
    test::device_stage s;
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    os::unique_fd guest{ends[1]};
    stream_device device{{{}, os::unique_fd{ends[0]}}, s.place()};
    device.start();
    CHECK(device.has_carrier());
    CHECK(s.greetings == 1);
    CHECK_FALSE(s.spare); // nobody else will come
    guest.reset();
    s.turn(device);
    s.turn(device);
    CHECK(s.told == kinds{event_kind::client_gone});
    CHECK_FALSE(device.has_carrier());
}

TEST_CASE("another device goes on in the middle of a frame, in either direction, and greets nobody")
{
    stage before, after;
    const auto guest = before.guest_comes();
    before.turn();
    const auto frame = framed(100);
    send(guest, octets(frame.begin(), frame.begin() + 7));
    before.turn();
    auto& queue = before.device->queue();
    std::size_t sent = 0;
    do { // until the socket takes no more
        REQUIRE(queue.commit({}, 14, 1000));
        queue.flush();
        ++sent;
    } while (before.device->give().octets.size() < 100'000);
    CHECK(after.go_on(before.device->give()).empty());
    before.device.reset();
    send(guest, octets(frame.begin() + 7, frame.end()));
    after.turn();
    CHECK(after.lengths == std::vector<std::size_t>{100});
    CHECK(after.greetings == 0);
    CHECK(after.device->has_carrier());
    std::size_t heard = 0;
    octets some(1 << 16);
    for (ssize_t n = 0; (n = ::recv(guest.get(), some.data(), some.size(), 0)) > 0; heard += static_cast<std::size_t>(n))
        after.device->queue().flush();
    CHECK(heard == sent * (4 + 1014));
}

TEST_CASE("a device that nobody has come to goes on with nobody, and what it cannot have is refused")
{
    stage before, after;
    auto nobody = before.device->give();
    CHECK(nobody.descriptors.empty());
    CHECK(after.go_on(nobody).empty());
    CHECK_FALSE(after.device->has_carrier());

    const auto guest = before.guest_comes();
    before.turn();
    auto link = before.device->give();
    CHECK(link.descriptors.size() == 1);
    auto without = link;
    without.descriptors.clear();
    CHECK_FALSE(after.go_on(without).empty());
    auto surplus = link;
    surplus.descriptors.push_back(link.descriptors.front());
    CHECK_FALSE(after.go_on(surplus).empty());
    const os::unique_fd file{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    auto no_socket = link;
    no_socket.descriptors = {file.get()};
    CHECK_FALSE(after.go_on(no_socket).empty());
    link.octets.resize(sizeof(migrate::link_header) + (std::size_t{2} << 20));
    writer to{link.octets};
    to.put(migrate::link_header{migrate::format_version, 2, 1, 0U, 0U, 2U << 20});
    CHECK_FALSE(after.go_on(link).empty());
    CHECK_FALSE(after.device->has_carrier());
}
