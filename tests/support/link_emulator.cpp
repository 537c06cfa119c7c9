// A link with delay, loss and reordering between two network namespaces, for kernels without a network emulator of their own.
//
//   link_emulator NETNS_A IF_A NETNS_B IF_B [--delay MS] [--loss PERCENT] [--reorder PERCENT] [--limit FRAMES] [--seed N]
//
// Makes a tap in each namespace and carries frames between the two; prints "ready" once both exist. Each direction is
// impaired by itself: a delay of 10 ms adds 20 ms to a round trip. A reordered frame waits half a delay longer, so that
// others overtake it. The taps carry virtio-net headers, so nobody has to compute a checksum on the way.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <queue>
#include <random>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

struct impairments {
    std::chrono::duration<double, std::milli> delay{0};
    double loss = 0;
    double reorder = 0;
    std::size_t limit = 4000;
    unsigned seed = 1;
};

struct held_frame {
    clock_type::time_point due;
    std::uint64_t order;
    std::vector<char> octets;
    bool operator>(const held_frame& other) const { return due != other.due ? due > other.due : order > other.order; }
};

[[noreturn]] void fail(const std::string& what)
{
    std::perror(what.c_str());
    std::exit(1);
}

int open_tap(const std::string& netns, const std::string& name)
{
    const int ns = open(netns.c_str(), O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
        fail(netns);
    close(ns);
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 || ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM) != 0)
        fail(name);
    return fd;
}

class direction {
public:
    direction(int from, int to, const impairments& how, unsigned salt)
        : from_(from), to_(to), how_(how), random_(how.seed * 2 + salt)
    {
    }

    [[noreturn]] void carry()
    {
        for (;;) {
            deliver();
            if (!take())
                sleep();
        }
    }

private:
    bool happens(double percent) { return percent > 0 && std::uniform_real_distribution<>(0, 100)(random_) < percent; }

    void deliver()
    {
        const auto now = clock_type::now();
        for (int i = 0; i < 64 && !held_.empty() && held_.top().due <= now; ++i) {
            // a full interface queue at the far end is a loss like any other
            [[maybe_unused]] const auto written = write(to_, held_.top().octets.data(), held_.top().octets.size());
            held_.pop();
        }
    }

    bool take()
    {
        bool any = false;
        for (int i = 0; i < 64; ++i) {
            const auto length = read(from_, buffer_.data(), buffer_.size());
            if (length <= 0)
                break;
            any = true;
            if (happens(how_.loss) || held_.size() >= how_.limit)
                continue;
            const auto delay = std::chrono::duration_cast<clock_type::duration>(how_.delay);
            auto due = clock_type::now() + delay;
            if (happens(how_.reorder))
                due += std::max<clock_type::duration>(delay / 2, std::chrono::milliseconds(1));
            else
                last_ = due = std::max(due, last_);
            held_.push({due, order_++, {buffer_.data(), buffer_.data() + length}});
        }
        return any;
    }

    void sleep()
    {
        const auto left = held_.empty() ? std::chrono::seconds(1) : held_.top().due - clock_type::now();
        if (left <= clock_type::duration::zero())
            return;
        const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
        const timespec timeout{ns / 1'000'000'000, ns % 1'000'000'000};
        pollfd readable{from_, POLLIN, 0};
        ppoll(&readable, 1, &timeout, nullptr);
    }

    int from_;
    int to_;
    impairments how_;
    std::mt19937 random_;
    std::priority_queue<held_frame, std::vector<held_frame>, std::greater<>> held_;
    std::vector<char> buffer_ = std::vector<char>(70000);
    std::uint64_t order_ = 0;
    clock_type::time_point last_{};
};

impairments options(int count, char** words)
{
    impairments how;
    for (int i = 0; i + 1 < count; i += 2) {
        const std::string name = words[i];
        const double value = std::atof(words[i + 1]);
        if (name == "--delay")
            how.delay = std::chrono::duration<double, std::milli>(value);
        else if (name == "--loss")
            how.loss = value;
        else if (name == "--reorder")
            how.reorder = value;
        else if (name == "--limit")
            how.limit = static_cast<std::size_t>(value);
        else if (name == "--seed")
            how.seed = static_cast<unsigned>(value);
        else
            std::exit(2);
    }
    return how;
}

} // namespace

int main(int argc, char** argv)
{
    if (argc < 5)
        return 2;
    const impairments how = options(argc - 5, argv + 5);
    const int a = open_tap(argv[1], argv[2]);
    const int b = open_tap(argv[3], argv[4]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 10000);
    std::puts("ready");
    std::fflush(stdout);
    std::thread there([=] { direction(a, b, how, 0).carry(); });
    direction(b, a, how, 1).carry();
}
