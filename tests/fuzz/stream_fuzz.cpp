// The guest's end of a stream socket: octets in arbitrary pieces, reads of any number of frames, frames towards the guest between
// them, a guest that reads slowly or not at all, clients that leave and come. Whatever the pieces, the frames handed out are
// those that a reader of the whole stream would find, and what reaches the guest is whole frames in order.
//
// An event is four octets (what, how much, two of length), followed by the octets of what the guest sends.
#include "daemon/tap/stream_queue.hpp"
#include "proto/wire/stream_framing.hpp"
#include "tests/support/fuzz.hpp"

#include <array>
#include <deque>
#include <memory>
#include <sys/socket.h>
#include <vector>

using namespace tapioca;
using octets = std::vector<octet>;

namespace {

struct event {
    octet what, count;
    be16 length;
};
static_assert(sizeof(event) == 4 && wire_header<event>);

constexpr int most_events = 400;

class exerciser {
public:
    exerciser() { connect(); }

    void take(const event& e, fuzz_input& in)
    {
        switch (e.what % 8) {
        case 0:
        case 1:
            return guest_sends(in.take(e.length % 4096U));
        case 2: // a whole frame
            return guest_sends_frame(e, in);
        case 3:
            return receive(e.count);
        case 4:
            return to_guest(e);
        case 5:
            queue_->flush();
            (void)guest_reads(e.length);
            return;
        case 6:
            guest_.reset();
            queue_->expect_end();
            receive_all();
            return connect();
        case 7:
            return receive_all();
        }
    }

    void finish()
    {
        receive_all();
        for (int i = 0; i < 1000 && !(expected_to_guest_.empty() && read_.empty()); ++i) {
            queue_->flush();
            if (!guest_reads(SIZE_MAX) && queue_->over())
                return;
        }
        FUZZ_CHECK(expected_to_guest_.empty() && read_.empty());
    }

private:
    void connect()
    {
        std::array<int, 2> ends{};
        FUZZ_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        guest_ = os::unique_fd{ends[1]};
        queue_->attach(os::unique_fd{ends[0]});
        FUZZ_CHECK(queue_->attached() && !queue_->over() && queue_->accepts_data());
        sent_.clear();
        read_.clear();
        expected_to_guest_.clear();
    }

    void guest_sends(bytes_view o)
    {
        const auto n = ::send(guest_.get(), o.data(), o.size(), MSG_NOSIGNAL);
        if (n > 0)
            sent_.insert(sent_.end(), o.begin(), o.begin() + n);
    }

    void guest_sends_frame(const event& e, fuzz_input& in)
    {
        const auto body = in.take(e.count);
        octets frame(wire::stream_prefix_octets + std::max<std::size_t>(e.length, wire::least_stream_frame), e.count);
        wire::put_stream_length(frame.data(), frame.size() - wire::stream_prefix_octets);
        std::copy(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(std::min(body.size(), frame.size() - 4)),
                  frame.begin() + 4);
        guest_sends(frame);
    }

    void receive(std::size_t most)
    {
        const auto frames = queue_->receive(most % (tap_queue::most_frames + 1));
        FUZZ_CHECK(frames.size() <= most % (tap_queue::most_frames + 1));
        for (const auto& frame : frames) {
            const auto front = wire::front_of_stream(sent_);
            FUZZ_CHECK(front.is == wire::stream_front::state::whole && std::ranges::equal(front.frame, frame.octets));
            FUZZ_CHECK(frame.vnet.gso_type == wire::vnet_gso_none);
            sent_.erase(sent_.begin(), sent_.begin() + static_cast<std::ptrdiff_t>(front.octets()));
        }
    }

    /// As a worker does it: until nothing more can come without an event.
    void receive_all()
    {
        int turns = 0;
        do {
            receive(tap_queue::most_frames);
            FUZZ_CHECK(++turns < 10'000);
        } while (queue_->has_more() && !queue_->over());
        // What is left is the beginning of a frame, or no frame at all.
        const auto front = wire::front_of_stream(sent_);
        FUZZ_CHECK(front.is != wire::stream_front::state::whole);
        FUZZ_CHECK(queue_->misunderstood() == (front.is == wire::stream_front::state::bad_length));
    }

    void to_guest(const event& e)
    {
        const auto slot = queue_->acquire();
        const auto length = std::max<std::size_t>(std::min<std::size_t>(e.length, slot.size()), wire::least_stream_frame);
        octets frame(length);
        for (std::size_t i = 0; i < length; ++i)
            frame[i] = static_cast<octet>(i * e.count + i / 251);
        std::copy(frame.begin(), frame.end(), slot.begin());
        const bool had_room = queue_->accepts_data();
        const bool went = queue_->commit({}, 0, length);
        FUZZ_CHECK(went || !had_room); // what was promised room finds it
        if (!went)
            return;
        frame.resize(std::max<std::size_t>(frame.size(), 60));
        expected_to_guest_.push_back(std::move(frame));
    }

    /// True if there was anything.
    bool guest_reads(std::size_t most)
    {
        static std::array<octet, 65536> o;
        const auto n = ::recv(guest_.get(), o.data(), std::clamp<std::size_t>(most, 1, o.size()), 0);
        if (n <= 0)
            return false;
        read_.insert(read_.end(), o.begin(), o.begin() + n);
        for (;;) {
            const auto front = wire::front_of_stream(read_);
            FUZZ_CHECK(front.is != wire::stream_front::state::bad_length);
            if (front.is != wire::stream_front::state::whole)
                return true;
            FUZZ_CHECK(!expected_to_guest_.empty() && std::ranges::equal(front.frame, expected_to_guest_.front()));
            expected_to_guest_.pop_front();
            read_.erase(read_.begin(), read_.begin() + static_cast<std::ptrdiff_t>(front.octets()));
        }
    }

    report::counters counters_;
    std::unique_ptr<stream_queue> queue_ = std::make_unique<stream_queue>(counters_);
    os::unique_fd guest_;
    octets sent_; ///< by the guest and not handed out yet
    octets read_; ///< by the guest and not a whole frame yet
    std::deque<octets> expected_to_guest_;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    exerciser e;
    for (int events = 0; events < most_events && !in.empty(); ++events)
        e.take(in.take<event>(), in);
    e.finish();
    return 0;
}
