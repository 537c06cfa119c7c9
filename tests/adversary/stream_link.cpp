#include "tests/adversary/stream_link.hpp"

#include "proto/wire/stream_framing.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tapioca::adversary {

stream_link::stream_link(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), in_(1 << 20)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw std::runtime_error("the path of the socket is too long");
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("no connection to " + path + ": " + std::strerror(errno));
    ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
}

stream_link::~stream_link() { ::close(descriptor_); }

void stream_link::send(bytes_view frame)
{
    const auto at = out_.size();
    out_.resize(at + wire::stream_prefix_octets + frame.size());
    wire::put_stream_length(out_.data() + at, frame.size());
    std::memcpy(out_.data() + at + wire::stream_prefix_octets, frame.data(), frame.size());
    ++frames_sent;
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
    const auto n = ::recv(descriptor_, in_.data() + in_end_, in_.size() - in_end_, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    in_end_ += static_cast<std::size_t>(n);
    return n != 0;
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
