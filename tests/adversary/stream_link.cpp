#include "tests/adversary/stream_link.hpp"

#include "proto/wire/stream_framing.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tapioca::adversary {

namespace {

int open_stream(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw std::runtime_error("the path of the socket is too long");
    std::memcpy(address.sun_path, path.data(), path.size());
    const int s = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("no connection to " + path + ": " + std::strerror(errno));
    return s;
}

/// The caller comes back to its own namespace.
int open_tap(const std::string& where)
{
    const auto colon = where.find(':');
    const int here = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const int there = ::open(where.substr(0, colon).c_str(), O_RDONLY | O_CLOEXEC);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(request.ifr_name, where.substr(colon + 1).c_str(), IFNAMSIZ - 1);
    if (::setns(there, CLONE_NEWNET) != 0)
        throw std::runtime_error("no namespace in " + where);
    const int tap = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    const bool is_open = ::ioctl(tap, TUNSETIFF, &request) == 0;
    if (::setns(here, CLONE_NEWNET) != 0 || !is_open)
        throw std::runtime_error("no tap " + where);
    ::close(here);
    ::close(there);
    return tap;
}

constexpr const char* tap_mark = "tap:";

} // namespace

stream_link::stream_link(const std::string& path) : in_(1 << 20), is_tap_(path.rfind(tap_mark, 0) == 0)
{
    descriptor_ = is_tap_ ? open_tap(path.substr(std::strlen(tap_mark))) : open_stream(path);
    ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
}

stream_link::~stream_link() { ::close(descriptor_); }

void stream_link::send(bytes_view frame)
{
    ++frames_sent;
    if (is_tap_) {
        frames_refused += ::write(descriptor_, frame.data(), frame.size()) < 0;
        return;
    }
    const auto at = out_.size();
    out_.resize(at + wire::stream_prefix_octets + frame.size());
    wire::put_stream_length(out_.data() + at, frame.size());
    std::memcpy(out_.data() + at + wire::stream_prefix_octets, frame.data(), frame.size());
}

bool stream_link::flush()
{
    while (out_begin_ < out_.size()) {
        const auto n = ::send(descriptor_, out_.data() + out_begin_, out_.size() - out_begin_, MSG_NOSIGNAL);
        if (n < 0)
            return errno != EAGAIN; // what else is wrong, the next read will tell
        out_begin_ += static_cast<std::size_t>(n);
    }
    out_.clear();
    out_begin_ = 0;
    return true;
}

bool stream_link::read_some()
{
    if (in_begin_ != 0) {
        std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
        in_end_ -= in_begin_;
        in_begin_ = 0;
    }
    if (is_tap_)
        return read_tap();
    const auto n = ::recv(descriptor_, in_.data() + in_end_, in_.size() - in_end_, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    in_end_ += static_cast<std::size_t>(n);
    return n != 0;
}

/// Some frames, as they would stand in a stream.
bool stream_link::read_tap()
{
    for (int i = 0; i < 64 && in_.size() - in_end_ >= wire::stream_prefix_octets + wire::most_stream_frame; ++i) {
        octet* at = in_.data() + in_end_;
        const auto n = ::read(descriptor_, at + wire::stream_prefix_octets, wire::most_stream_frame);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        wire::put_stream_length(at, static_cast<std::size_t>(n));
        in_end_ += wire::stream_prefix_octets + static_cast<std::size_t>(n);
    }
    return true;
}

bool stream_link::next_frame(bytes_view& frame)
{
    const auto front = wire::front_of_stream(bytes_view{in_}.subspan(in_begin_, in_end_ - in_begin_));
    broken_ = broken_ || front.is == wire::stream_front::state::bad_length;
    if (front.is != wire::stream_front::state::whole)
        return false;
    frame = front.frame;
    in_begin_ += front.octets();
    ++frames_received;
    return true;
}

} // namespace tapioca::adversary
