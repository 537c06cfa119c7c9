// Sends frames through a packet socket at a steady rate, or as fast as it can, until its standard input ends.
//
//   frame_flood SOCKET FRAMES_PER_SECOND < control        SOCKET: number of an inherited, bound AF_PACKET socket; 0: no pause
//
// Standard input brings the frames first: each behind its length in two octets (big endian), and a length of 0 behind the last.
// They go out round and round. Standard output says how many were sent, when all is over.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using octets = std::vector<unsigned char>;

void read_all(void* into, std::size_t size)
{
    auto* at = static_cast<unsigned char*>(into);
    while (size != 0) {
        const auto n = ::read(STDIN_FILENO, at, size);
        if (n <= 0)
            std::exit(EXIT_FAILURE);
        at += n;
        size -= static_cast<std::size_t>(n);
    }
}

std::vector<octets> read_frames()
{
    std::vector<octets> frames;
    for (;;) {
        unsigned char length[2];
        read_all(length, sizeof length);
        octets frame(static_cast<std::size_t>(length[0]) << 8 | length[1]);
        if (frame.empty())
            return frames;
        read_all(frame.data(), frame.size());
        frames.push_back(std::move(frame));
    }
}

bool input_has_ended()
{
    char c;
    return ::read(STDIN_FILENO, &c, 1) == 0;
}

/// What the queue does not take is lost, as on any link.
std::size_t send_batch(int socket, std::vector<octets>& frames, std::size_t& next, std::size_t count)
{
    constexpr std::size_t most = 64;
    iovec pieces[most];
    mmsghdr messages[most] = {};
    for (std::size_t i = 0; i < count; ++i) {
        auto& frame = frames[next];
        next = (next + 1) % frames.size();
        pieces[i] = {frame.data(), frame.size()};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = ::sendmmsg(socket, messages, static_cast<unsigned>(count), MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

} // namespace

int main(int argc, char** argv)
{
    if (argc != 3)
        return EXIT_FAILURE;
    const int socket = std::atoi(argv[1]);
    const auto rate = std::strtoull(argv[2], nullptr, 10);
    auto frames = read_frames();
    if (frames.empty())
        return EXIT_FAILURE;
    ::fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);

    using clock = std::chrono::steady_clock;
    const auto begin = clock::now();
    std::uint64_t offered = 0, sent = 0;
    std::size_t next = 0;
    while (!input_has_ended()) {
        std::uint64_t due = 64;
        if (rate != 0) { // a steady pace; who was kept from running does not catch up with more than a tenth of a second
            const auto passed = std::chrono::duration<double>(clock::now() - begin).count();
            const auto wanted = static_cast<std::uint64_t>(passed * static_cast<double>(rate));
            if (wanted - offered > rate / 10)
                offered = wanted - rate / 10;
            due = wanted - offered;
        }
        if (due == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds{200});
            continue;
        }
        const auto count = static_cast<std::size_t>(due < 64 ? due : 64);
        offered += count;
        const auto taken = send_batch(socket, frames, next, count);
        sent += taken;
        if (taken == 0)
            std::this_thread::sleep_for(std::chrono::microseconds{50});
    }
    const auto seconds = std::chrono::duration<double>(clock::now() - begin).count();
    std::printf("%llu %.3f\n", static_cast<unsigned long long>(sent), seconds);
    return EXIT_SUCCESS;
}
