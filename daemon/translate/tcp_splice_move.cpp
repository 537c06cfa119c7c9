// How octets, ends and resets get from one socket of a spliced connection to the other.

#include "daemon/translate/limits.hpp"
#include "daemon/translate/tcp_splice.hpp"

#include <cerrno>
#include <utility>

namespace tapioca {

using report::counter;

namespace {

/// A read of this size is worth a system call for each of its ends, but no pipe; and any pipe of usual size holds it.
constexpr std::size_t small_read = 16384;
static_assert(small_read < pipe_pool::usual_octets);

} // namespace

bool tcp_splice::again_or_note_failure(const boost::system::error_code& e) noexcept
{
    if (e.value() == EAGAIN)
        return true;
    failure_ = e.value();
    return false;
}

/// Nothing can be read now, or ever.
void tcp_splice::note_unread(tcp_splice_end& from, const boost::system::error_code& e) noexcept
{
    from.failed = !again_or_note_failure(e) || from.failed;
    from.ended = from.ended || from.failed;
    from.readable = false;
}

/// Nothing can be sent now, or ever.
void tcp_splice::note_unsent(tcp_splice_end& to, const boost::system::error_code& e) noexcept
{
    to.writable = false;
    if (!again_or_note_failure(e))
        to.note_failure();
}

flow_alive tcp_splice::move(tcp_splice_flow& f, instant now) noexcept
{
    bool more = false;
    std::array<progress, 2> outcomes;
    std::size_t all = 0;
    for (unsigned side = 0; side < 2; ++side) {
        std::size_t moved = 0;
        outcomes[side] = move(f.ends[side], f.ends[1 - side], moved);
        ctx_.counters.add(side == 0 ? counter::spliced_octets_to_guest : counter::spliced_octets_to_host, moved);
        side == 0 ? ctx_.count_to_guest(f, moved) : ctx_.count_from_guest(f, moved);
        all += moved;
        if (moved != 0)
            f.ends[side].moved = milliseconds(now);
        more = more || outcomes[side] == progress::ready;
    }
    if (more) { // also what came before an error
        list_ready(f);
        return flow_alive::yes;
    }
    if (f.ends[0].failed || f.ends[1].failed)
        return go_on_without(f.ends[0].failed ? 0 : 1, f, now);
    if (f.ends[0].passed_on && f.ends[1].passed_on)
        return close(f, end_reason::finished, now);
    if (f.retried && all != 0)
        ctx_.counters.add(counter::spliced_stalls_recovered);
    f.retried = false;
    f.patience = all != 0 ? 0 : f.patience;
    for (unsigned side = 0; side < 2; ++side)
        if (outcomes[side] == progress::blocked)
            wait_for_room(f, 1 - side, now);
    return flow_alive::yes;
}

/// That side has failed: what it sent goes on to the other one, as long as that takes anything, and behind it a reset.
flow_alive tcp_splice::go_on_without(unsigned side, tcp_splice_flow& f, instant now) noexcept
{
    auto &gone = f.ends[side], &left = f.ends[1 - side];
    if (!f.ending)
        gone.moved = milliseconds(now);
    f.ending = true;
    const bool in_time = milliseconds(now) - gone.moved < limits::tcp_reset_seconds * 1000 && !left.failed;
    if (in_time && (gone.held != 0 || !gone.ended)) {
        left.writable ? list_ready(f) : wait_for_room(f, 1 - side, now);
        return flow_alive::yes;
    }
    if (!gone.connected)
        return fail_to_connect(f, failure_, now);
    const auto unsent = in_time && left.connected ? os::unacknowledged(left.fd) : 0;
    if (unsent == 0)
        return abort(f, reset_by(side), now);
    f.patience = f.unsent == unsent ? std::min<std::uint8_t>(f.patience + 1, 6) : 0; // no event tells when it is
    if (std::exchange(f.unsent, unsent) != unsent)
        gone.moved = milliseconds(now);
    wheel_.arm_no_later(flows_.slot_of(f), now + std::chrono::milliseconds{4} * (1 << f.patience));
    return flow_alive::yes;
}

void tcp_splice::wait_for_room(tcp_splice_flow& f, unsigned side, instant now) noexcept
{
    auto& end = f.ends[side];
    if (!end.room_watched)
        end.room_watched = ctx_.poller.change(end.fd, token_of(f, side), os::trigger::edge).has_value();
    wheel_.arm_no_later(flows_.slot_of(f), now + patience_of(f));
}

/// One direction, until one of the sockets has enough, or the budget is used up.
tcp_splice::progress tcp_splice::move(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept
{
    while (moved < limits::spliced_octets_per_turn) {
        if (to.failed || (from.failed && from.ended && from.held == 0))
            return progress::over;
        if (from.held == 0 && !from.readable && !from.ended)
            return progress::waits;
        if (!to.writable)
            return progress::blocked;
        if (from.held == 0 && from.ended)
            return pass_end(from, to);
        from.held != 0 ? drain(from, to, moved) : read(from, to, moved);
        from.connected = from.connected || moved != 0;
        to.connected = to.connected || moved != 0;
    }
    return progress::ready;
}

tcp_splice::progress tcp_splice::pass_end(tcp_splice_end& from, tcp_splice_end& to) noexcept
{
    if (from.passed_on)
        return progress::waits;
    if (!to.connected) { // to shut it down would take its connecting back
        to.writable = false;
        return progress::blocked;
    }
    if (!to.passed_on) // else the flow is over, and to close the socket says the same
        os::shutdown_write(to.fd);
    from.passed_on = true;
    return progress::waits;
}

/// What the pipe holds goes to the socket.
void tcp_splice::drain(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept
{
    const auto sent = os::splice(pipes_.out(from.pipe), to.fd, from.held);
    if (!sent)
        return note_unsent(to, sent.error());
    from.held -= static_cast<std::uint32_t>(*sent);
    moved += *sent;
    if (from.held == 0)
        return_pipe(from);
    if (*sent == 0) // the pipe lacks what it should hold
        to.failed = from.failed = from.ended = true;
}

/// Once, in the way that suits what was read before.
void tcp_splice::read(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept
{
    if (from.bulk && !from.urgent) {
        from.pipe = pipes_.borrow();
        if (from.pipe != 0)
            return splice_in(from);
    } else if (pipes_.can_hold(small_read)) {
        return copy(from, to, moved);
    }
    ctx_.counters.add(counter::pipes_missing);
    return copy_in_place(from, to, moved);
}

/// As much as there is moves into the pipe, which is empty: EAGAIN means that the socket is, too.
void tcp_splice::splice_in(tcp_splice_end& from) noexcept
{
    ctx_.counters.add(counter::pipes_borrowed);
    const auto got = os::splice(from.fd, pipes_.in(from.pipe), pipe_pool::large_octets);
    from.held = got ? static_cast<std::uint32_t>(*got) : 0;
    if (from.held == 0)
        return_pipe(from);
    if (!got)
        return note_unread(from, got.error());
    from.ended = *got == 0;
    from.bulk = *got >= small_read;
}

/// Into the buffer, for the copy() that is next.
os::result<std::size_t> tcp_splice::read_ahead(tcp_splice_end& from) noexcept
{
    if (!pipes_.can_hold(small_read))
        return std::size_t{0};
    auto got = os::receive(from.fd, bytes_span{buffer_}.first(small_read));
    from.ended = got && *got == 0;
    from.readable = got && *got != 0;
    return got || !again_or_note_failure(got.error()) ? got : std::size_t{0};
}

void tcp_splice::copy(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept
{
    const auto ahead = std::exchange(read_ahead_, 0);
    const auto got = ahead != 0 ? os::result<std::size_t>{ahead} : os::receive(from.fd, bytes_span{buffer_}.first(small_read));
    if (!got)
        return note_unread(from, got.error());
    if (*got == 0) {
        from.ended = true;
        return;
    }
    // A short read emptied the queue: the next octet brings an event, unless the end of the stream stands behind it already.
    from.bulk = *got == small_read;
    from.readable = from.bulk || from.peer_closed || from.urgent || from.failed;
    const auto octets = bytes_view{buffer_}.first(*got);
    const auto sent = os::send(to.fd, octets);
    const auto gone = sent ? *sent : 0;
    moved += gone;
    if (gone == *got)
        return;
    to.writable = false;
    if (!sent)
        note_unsent(to, sent.error());
    if (!(to.failed && to.connected) && !keep(from, octets.subspan(gone)))
        to.failed = from.failed = from.ended = true;
}

/// What a socket did not take waits in a pipe, which copy() has made sure of.
bool tcp_splice::keep(tcp_splice_end& from, bytes_view octets) noexcept
{
    from.pipe = pipes_.borrow();
    if (from.pipe == 0)
        return false;
    ctx_.counters.add(counter::pipes_borrowed);
    from.held = static_cast<std::uint32_t>(octets.size());
    const auto kept = os::write_pipe(pipes_.in(from.pipe), octets);
    return kept && *kept == octets.size();
}

/// Without a pipe, what cannot be sent stays where it is.
void tcp_splice::copy_in_place(tcp_splice_end& from, tcp_splice_end& to, std::size_t& moved) noexcept
{
    const auto got = os::peek(from.fd, buffer_);
    if (!got)
        return note_unread(from, got.error());
    if (*got == 0) {
        from.ended = true;
        return;
    }
    const auto sent = os::send(to.fd, bytes_view{buffer_}.first(*got));
    if (!sent)
        return note_unsent(to, sent.error());
    if (const auto gone = os::discard(from.fd, *sent); !gone || *gone != *sent)
        to.failed = from.failed = from.ended = true;
    moved += *sent;
    from.bulk = *got >= small_read;
    if (*sent < *got)
        to.writable = false;
    else
        from.readable = *got == buffer_.size() || from.peer_closed || from.urgent || from.failed;
}

void tcp_splice::return_pipe(tcp_splice_end& end) noexcept
{
    if (end.pipe == 0)
        return;
    ctx_.counters.add(counter::pipes_returned);
    if (end.held == 0)
        pipes_.give_back(end.pipe);
    else
        pipes_.close(end.pipe);
    end.pipe = 0;
}

} // namespace tapioca
