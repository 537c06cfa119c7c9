// Queues of a tap over pairs of sockets that keep message boundaries, with the kernel's ends and the owner in the test's hands.
#include "daemon/tap/tun_device.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/device_stage.hpp"

#include <array>
#include <deque>

using namespace tapioca;
using test::octets;

namespace {

class stage : public test::device_stage {
public:
    explicit stage(std::size_t workers = 1) : test::device_stage(workers)
    {
        for (unsigned i = 0; i < workers; ++i) {
            std::array<int, 2> ends{};
            REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
            kernel.emplace_back(ends[1]);
            devices.emplace_back(tun_descriptor{os::unique_fd{ends[0]}, false, {}}, place(i));
        }
        for (auto& d : devices)
            d.start();
    }
    void kernel_sends(int frames, std::size_t queue = 0)
    {
        for (int i = 0; i < frames; ++i)
            REQUIRE(::send(kernel[queue].get(), frame_.data(), frame_.size(), 0) == static_cast<ssize_t>(frame_.size()));
    }
    void turn() { test::device_stage::turn(devices.front()); }

    std::deque<os::unique_fd> kernel;
    std::deque<tun_device> devices;

private:
    const octets frame_ = octets(60, 1);
};

} // namespace

TEST_CASE("while a tap has frames turn after turn the batches double, and a lone one costs one read")
{
    stage s;
    s.kernel_sends(9);
    for (int i = 0; i < 4; ++i)
        s.turn();
    CHECK(s.batches == std::vector<std::size_t>{1, 2, 4, 2});
    s.turn(); // a turn without
    s.kernel_sends(3);
    s.turn();
    CHECK(s.batches.back() == 1);
    CHECK(s.devices.front().has_carrier());
    CHECK_FALSE(s.devices.front().has_more());
}

TEST_CASE("the first worker reads the queue of one that rests until it is left, each queue at its own pace")
{
    stage s{2};
    auto& first = s.devices.front();
    CHECK(first.can_be_shared());
    s.kernel_sends(4, 1);
    s.turn();
    CHECK(s.batches.empty()); // nobody watches it yet
    REQUIRE(first.watch_queue(1));
    s.turn();
    s.turn();
    s.kernel_sends(1, 0);
    s.turn();
    CHECK(s.batches.size() == 4);
    CHECK(s.lengths.size() == 5);
    first.leave_queue(1);
    s.kernel_sends(1, 1);
    s.turn();
    CHECK(s.lengths.size() == 5);
}

TEST_CASE("a tap that was removed is told of once, and has no carrier any more")
{
    stage s;
    auto& device = s.devices.front();
    device.take({.what = token_of(source::tap), .readable = true, .error = true}, {});
    CHECK(s.told == std::vector<report::event_kind>{report::event_kind::tap_failed});
    CHECK_FALSE(device.has_carrier());
    s.kernel_sends(1);
    s.turn(); // it is not watched any more
    CHECK(s.batches.empty());
}
