// A guest without a machine: carries frames between a tap in this network namespace and passt's stream socket, each behind its
// length.
//
//   stream_relay SOCKET INTERFACE [MOST]
//
// So a namespace's own kernel and programs speak with passt as a machine's would, at full speed. With MOST, what is sent to the
// socket goes out in pieces of 1 to MOST octets, cut anywhere. Prints "ready" once the tap exists. When the connection ends, and
// on SIGUSR1, it connects anew, until nobody listens any more.
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
#include <mutex>
#include <random>
#include <string>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t prefix = 4;
constexpr std::size_t largest_frame = 65535 + 14;

[[noreturn]] void fail(const std::string& what)
{
    std::perror(what.c_str());
    std::exit(1);
}

int open_tap(const std::string& name)
{
    const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        fail(name);
    return fd;
}

/// The connection to passt, and the next one when it ends: SIGUSR1 ends it.
class connection {
public:
    explicit connection(const char* path)
    {
        address_.sun_family = AF_UNIX;
        std::strncpy(address_.sun_path, path, sizeof address_.sun_path - 1);
        if (!open())
            fail(path);
    }

    /// Until it is open again: a client is refused while the end of the last one has not been noticed. False if nobody listens.
    bool reopen()
    {
        const std::lock_guard between_frames{lock_};
        close(descriptor);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return open();
    }

    /// One frame, in pieces of at most `most` octets unless that is 0. What the connection's end cuts off is lost.
    void send_frame(const char* octets, std::size_t length, std::size_t most)
    {
        const std::lock_guard one_connection{lock_};
        while (length != 0) {
            const auto piece = std::min(length, most == 0 ? length : 1 + random_() % most);
            const auto sent = send(descriptor, octets, piece, MSG_NOSIGNAL);
            if (sent <= 0)
                return;
            octets += sent;
            length -= static_cast<std::size_t>(sent);
        }
    }

    static void end(int) { shutdown(descriptor, SHUT_RDWR); }

    static inline int descriptor = -1;

private:
    bool open()
    {
        descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return connect(descriptor, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0;
    }

    sockaddr_un address_{};
    std::mutex lock_;
    std::mt19937 random_{7};
};

[[noreturn]] void tap_to_stream(int tap, connection& to, std::size_t most)
{
    std::vector<char> buffer(prefix + largest_frame + 1);
    for (;;) {
        const auto length = read(tap, buffer.data() + prefix, buffer.size() - prefix);
        if (length <= 0)
            continue; // the interface is down
        const auto size = static_cast<std::uint32_t>(length);
        for (std::size_t i = 0; i < prefix; ++i)
            buffer[i] = static_cast<char>(size >> (24 - 8 * i) & 0xff);
        to.send_frame(buffer.data(), prefix + size, most);
    }
}

std::size_t length_at(const char* octets)
{
    std::size_t length = 0;
    for (std::size_t i = 0; i < prefix; ++i)
        length = length << 8 | static_cast<unsigned char>(octets[i]);
    return length;
}

/// Until the connection ends.
void stream_to_tap(int tap)
{
    std::vector<char> buffer(1 << 20);
    std::size_t filled = 0;
    for (;;) {
        const auto got = recv(connection::descriptor, buffer.data() + filled, buffer.size() - filled, 0);
        if (got <= 0)
            return;
        filled += static_cast<std::size_t>(got);
        std::size_t at = 0;
        while (filled - at >= prefix) {
            const auto length = length_at(buffer.data() + at);
            if (length < 60 || length > largest_frame) {
                std::fprintf(stderr, "a frame of %zu octets\n", length);
                std::_Exit(1);
            }
            if (filled - at < prefix + length)
                break;
            // an interface that is down refuses it, which is a loss like any other
            [[maybe_unused]] const auto written = write(tap, buffer.data() + at + prefix, length);
            at += prefix + length;
        }
        std::memmove(buffer.data(), buffer.data() + at, filled - at);
        filled -= at;
    }
}

} // namespace

int main(int argc, char** argv)
{
    if (argc < 3)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    connection passt{argv[1]};
    const int tap = open_tap(argv[2]);
    std::signal(SIGUSR1, connection::end);
    std::puts("ready");
    std::fflush(stdout);
    std::thread([&] { tap_to_stream(tap, passt, argc > 3 ? static_cast<std::size_t>(std::atol(argv[3])) : 0); }).detach();
    do
        stream_to_tap(tap);
    while (passt.reopen());
    std::_Exit(0);
}
