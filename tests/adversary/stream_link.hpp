// The guest's end of passt's stream socket: frames behind their lengths, sent as the socket takes them, received many at a time.
// Or a tap of a network namespace, "tap:NAMESPACE:INTERFACE", from which a bridge leads to pasta's.
#pragma once

#include "proto/base/address.hpp"

#include <string>
#include <vector>

namespace tapioca::adversary {

class stream_link {
public:
    explicit stream_link(const std::string& path);
    ~stream_link();
    stream_link(const stream_link&) = delete;
    stream_link& operator=(const stream_link&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }
    void send(bytes_view frame);
    /// False while octets wait for the socket.
    bool flush();
    /// Reads what is there once; false if the daemon closed the connection or sent a length that no frame has.
    template <class Each>
    bool receive(Each each)
    {
        if (!read_some())
            return false;
        for (bytes_view frame; next_frame(frame);)
            each(frame);
        return !broken_;
    }

    std::uint64_t frames_sent = 0, frames_received = 0, frames_refused = 0; ///< the last: by the tap

private:
    bool read_some();
    bool read_tap();
    bool next_frame(bytes_view& frame);

    int descriptor_;
    std::vector<octet> in_, out_;
    std::size_t in_begin_ = 0, in_end_ = 0, out_begin_ = 0;
    bool is_tap_, broken_ = false;
};

} // namespace tapioca::adversary
