#include "qrap/passt_socket.hpp"

#include "qrap/probe.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

namespace tapioca::qrap {

namespace {

constexpr int highest_number = 99;
constexpr timeval probe_timeout{0, 500'000};

// libvirt starts QEMU more than once in a row; passt may not have noticed yet that the last one went, and turns us away.
constexpr int retries = 50;
constexpr timespec retry_delay{0, 50'000'000};

class socket_owner {
public:
    explicit socket_owner(int fd) noexcept : fd_(fd) {}
    socket_owner(const socket_owner&) = delete;
    socket_owner& operator=(const socket_owner&) = delete;
    ~socket_owner()
    {
        if (fd_ >= 0)
            ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

/// The outcome of a try: a socket, or the error number of the call that failed.
struct attempt {
    int fd = -1;
    int error = 0;
};

int report(const char* call, int error)
{
    std::fprintf(stderr, "%s: %s\n", call, std::strerror(error));
    return error;
}

/// With a timeout set, these calls are not restarted when the process was stopped and goes on (signal(7)).
template <class Call>
ssize_t uninterrupted(Call call)
{
    ssize_t result;
    do
        result = call();
    while (result < 0 && errno == EINTR);
    return result;
}

void set_timeouts(int fd, const timeval& timeout)
{
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0)
        report("setsockopt SO_RCVTIMEO", errno);
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
        report("setsockopt SO_SNDTIMEO", errno);
}

/// 0 if somebody answers, else what failed.
int probe_once(int fd, const sockaddr_un& address)
{
    if (uninterrupted([&] { return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address); }) < 0)
        return report("connect", errno);

    const auto sent = uninterrupted([&] { return ::send(fd, &probe, sizeof probe, MSG_NOSIGNAL); });
    if (sent != sizeof probe)
        return report("send", sent < 0 ? errno : EMSGSIZE);

    // The answer is left to QEMU, which takes it for the first frame of the network.
    char first = 0;
    const auto received = uninterrupted([&] { return ::recv(fd, &first, sizeof first, MSG_PEEK); });
    if (received <= 0)
        return report("recv", received < 0 ? errno : ENOTCONN);
    return 0;
}

/// Turned away: refused after the connection stood. Which of the two it is depends on whether the probe was sent before.
bool turned_away(int error) { return error == ECONNRESET || error == EPIPE; }

attempt try_path(const char* path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto length = std::strlen(path);
    if (length >= sizeof address.sun_path)
        return {-1, report("connect", ENAMETOOLONG)};
    std::memcpy(address.sun_path, path, length);

    attempt result;
    for (int i = 0; i <= retries; ++i) {
        socket_owner s{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        if (s.get() < 0)
            throw start_error{"socket", errno};
        set_timeouts(s.get(), probe_timeout);
        result.error = probe_once(s.get(), address);
        if (result.error == 0) {
            set_timeouts(s.get(), {});
            std::fprintf(stderr, "Connected to %s\n", path);
            return {s.release(), 0};
        }
        if (!turned_away(result.error))
            break;
        if (i < retries)
            ::nanosleep(&retry_delay, nullptr);
    }
    std::fprintf(stderr, "Probe of %s failed\n", path);
    return result;
}

} // namespace

int connect_to_passt(const char* path)
{
    int error = ENOENT;
    if (path != nullptr) {
        const auto tried = try_path(path);
        if (tried.error == 0)
            return tried.fd;
        throw start_error{"connect", tried.error};
    }

    for (int number = 1; number <= highest_number; ++number) {
        char numbered[sizeof "/tmp/passt_99.socket"];
        std::snprintf(numbered, sizeof numbered, "/tmp/passt_%d.socket", number);
        const auto tried = try_path(numbered);
        if (tried.error == 0)
            return tried.fd;
        if (tried.error != ENOENT) // what a present socket said tells more than the absence of the others
            error = tried.error;
    }
    std::fputs("No passt answers on any of /tmp/passt_1.socket to /tmp/passt_99.socket: start passt first\n", stderr);
    throw start_error{"connect", error};
}

} // namespace tapioca::qrap
