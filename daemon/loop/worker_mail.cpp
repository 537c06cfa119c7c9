// What workers send each other.

#include "daemon/loop/worker.hpp"

namespace tapioca {

using report::counter;

namespace {

enum class letter_kind : std::uint8_t { frame, reassembled, connection, flow };

struct frame_letter {
    letter_kind kind = letter_kind::frame;
    std::uint8_t from = 0;  ///< where the guest has sent it
    std::uint8_t times = 0; ///< that it was handed over
    wire::virtio_net_header vnet;
};

/// A datagram put together from fragments: the packet without its views, and behind it the upper layer's octets.
struct reassembled_letter {
    letter_kind kind = letter_kind::reassembled;
    packet whole;
};

struct connection_letter {
    letter_kind kind = letter_kind::connection;
    int fd = -1;
    endpoint peer;
    listener_name through;
};

struct flow_letter {
    letter_kind kind = letter_kind::flow;
    tcp_flow flow;
    flow_birth birth;
};

constexpr std::size_t letters_per_turn = 64;
constexpr std::uint8_t most_times = 16; ///< a flow moves once, or a few times; then it has ended

template <class Letter>
bytes_view octets(const Letter& letter) noexcept
{
    static_assert(std::is_trivially_copyable_v<Letter>);
    return {reinterpret_cast<const octet*>(&letter), sizeof letter};
}

template <class Letter>
Letter open(bytes_view& letter) noexcept
{
    Letter opened;
    std::memcpy(static_cast<void*>(&opened), letter.data(), sizeof opened);
    letter = letter.subspan(sizeof opened);
    return opened;
}

} // namespace

bool worker::claim(std::uint64_t flow_hash) noexcept { return shared_.owners.enter(flow_hash, self_); }

void worker::disclaim(std::uint64_t flow_hash) noexcept { shared_.owners.leave(flow_hash, self_); }

std::optional<unsigned> worker::owner(std::uint64_t flow_hash) const noexcept { return shared_.owners.find(flow_hash); }

std::optional<unsigned> worker::who_listens() const noexcept { return self_ == 0 ? std::nullopt : std::optional{0U}; }

bool worker::post(unsigned to, std::span<const bytes_view> parts) noexcept
{
    if (!shared_.mailboxes[to].post(self_, parts))
        return false;
    bells_ |= std::uint64_t{1} << to;
    return true;
}

bool worker::hand_over(unsigned to, const rx_frame& frame) noexcept
{
    if (handed_on_.times >= most_times)
        return false;
    const frame_letter letter{.from = handed_on_.times == 0 ? static_cast<std::uint8_t>(self_) : handed_on_.from,
                              .times = static_cast<std::uint8_t>(handed_on_.times + 1),
                              .vnet = frame.vnet};
    std::array<bytes_view, 2 + most_body_pieces> parts{octets(letter), frame.octets};
    std::size_t count = 2;
    frame.body.each(0, frame.body.octets, [&](bytes_view part) { parts[count++] = part; });
    return post(to, std::span{parts}.first(count));
}

bool worker::hand_over(unsigned to, const packet& reassembled) noexcept
{
    reassembled_letter letter{.whole = reassembled};
    letter.whole.l3 = letter.whole.l4 = {};
    const bytes_view parts[] = {octets(letter), reassembled.l4};
    return post(to, parts);
}

bool worker::hand_over(unsigned to, const tcp_flow& f, const flow_birth& birth) noexcept
{
    const flow_letter letter{.flow = f, .birth = birth};
    const bytes_view parts[] = {octets(letter)};
    return post(to, parts);
}

bool worker::hand_over(unsigned to, os::accepted& connection, const listener_name& through) noexcept
{
    const connection_letter letter{.fd = connection.fd.get(), .peer = connection.peer, .through = through};
    const bytes_view parts[] = {octets(letter)};
    if (!post(to, parts))
        return false;
    (void)connection.fd.release();
    counters_.add(counter::connections_handed_over);
    return true;
}

void worker::command(worker_command what)
{
    commands_.push(std::move(what));
    shared_.mailboxes[self_].ring();
}

void worker::carry_out(worker_command& what, instant now) noexcept
{
    did_something_ = true;
    if (auto* listener = std::get_if<listening_socket>(&what)) {
        if (!stopping_.load(std::memory_order_relaxed))
            plane_.listen(std::move(*listener), now);
    } else if (const auto* end = std::get_if<stop_listening>(&what)) {
        plane_.stop_listening(end->name);
    } else if (const auto* other = std::get_if<rename_listener>(&what)) {
        plane_.rename_listener(other->from, other->to, now);
    } else if (auto* next = std::get_if<snapshot>(&what)) {
        plane_.adopt(*next);
    } else if (auto* listing = std::get_if<list_flows>(&what)) {
        (*listing)->answer(plane_, now);
    } else if (auto* ending = std::get_if<end_flow>(&what)) {
        (*ending)->answer(plane_, now);
    } else if (auto* stranded = std::get_if<end_stranded>(&what)) {
        (*stranded)->answer(plane_, now);
    } else if (auto* denied = std::get_if<end_denied>(&what)) {
        (*denied)->answer(plane_, now);
    } else if (const auto* begin = std::get_if<begin_capture>(&what)) {
        show_frames_to(begin->what);
    } else if (const auto* over = std::get_if<end_capture>(&what)) {
        end_showing(*over->what);
    } else if (const auto* task = std::get_if<in_plane>(&what)) {
        (*task)->carry_out(plane_, now);
    } else {
        plane_.advertise_router();
    }
}

void worker::take_mail(instant now) noexcept
{
    // drain() clears the eventfd first: a ring from now on wakes the next turn.
    mail_left_ = shared_.mailboxes[self_].drain(letters_per_turn, [&](bytes_view letter) { take_letter(letter, now); });
    commands_.take([&](worker_command& what) { carry_out(what, now); });
    plane_.sockets_refilled(now);
}

void worker::take_letter(bytes_view letter, instant now) noexcept
{
    did_something_ = true;
    switch (static_cast<letter_kind>(letter[0])) {
    case letter_kind::frame: {
        const auto head = open<frame_letter>(letter);
        counters_.add(counter::frames_taken_over);
        handed_on_ = {head.from, head.times};
        detour way;
        way.flows_move = device_->guest_steers();
        if (way.flows_move && head.from != self_)
            way.spoken_at = head.from;
        plane_.take_over({head.vnet, letter}, way, now);
        handed_on_ = {};
        return;
    }
    case letter_kind::reassembled: {
        auto whole = open<reassembled_letter>(letter).whole;
        whole.l4 = letter;
        counters_.add(counter::frames_taken_over);
        return plane_.take_over(whole, now);
    }
    case letter_kind::flow: {
        const auto moved = open<flow_letter>(letter);
        return plane_.tcp().arrive(moved.flow, moved.birth, now);
    }
    case letter_kind::connection: {
        const auto head = open<connection_letter>(letter);
        return plane_.take_connection({os::unique_fd{head.fd}, head.peer}, head.through, now);
    }
    }
}

} // namespace tapioca
