// What a peer has sent and the guest has not acknowledged. The socket keeps it where the kernel remembers how far it was peeked;
// elsewhere it is taken out of the socket, and our own store keeps it (decision 27).

#include "daemon/translate/tcp_translator.hpp"

#include <cerrno>

namespace tapioca {

/// A socket of both families is one of IPv6 to the kernel.
void tcp_translator::choose_keeper(tcp_flow& f, bool accepted) noexcept
{
    f.peek_offset = f.key.guest.is_v4() && !accepted ? ctx_.config->peek_offset4 : !ctx_.config->keeps_peer_octets();
}

/// Octets that the store has and that are to be sent, again or because it was told to rewind.
std::uint32_t tcp_translator::to_repeat(const tcp_flow& f) const noexcept
{
    const auto kept = sent_.length(flows_.slot_of(f));
    return kept - std::min(kept, f.c.in_flight());
}

/// How much can be read and kept, in pieces that a frame can have.
std::size_t tcp_translator::keepable(const tcp_flow& f) const noexcept
{
    constexpr std::size_t most = (tap_queue::most_pieces - 1) * tcp::chunk_pool::chunk_octets;
    static_assert(most >= tap_queue::largest_body);
    return f.peek_offset ? SIZE_MAX : std::min<std::size_t>(most, to_repeat(f) + sent_.room(flows_.slot_of(f)));
}

/// Up to `most` octets that follow what is in flight, for send_data(): into the tap's slot, or into the store. None at the end of
/// the stream.
os::result<std::size_t> tcp_translator::read_next(tcp_flow& f, std::size_t most) noexcept
{
    if (f.peek_offset)
        return keep_place(f) ? os::peek(f.fd, body_) : os::result<std::size_t>{os::last_error()};
    if (const auto again = to_repeat(f); again != 0)
        return std::min<std::size_t>(most, again);
    const auto slot = flows_.slot_of(f);
    std::array<bytes_span, tap_queue::most_pieces> pieces;
    static_assert(pieces.size() <= os::most_received_pieces);
    const auto count = sent_.extend(slot, most, pieces);
    if (count == 0) // not seen, as keepable() was asked
        return os::result<std::size_t>{boost::system::error_code{EAGAIN, boost::system::system_category()}};
    const auto got = os::receive(f.fd, std::span{pieces}.first(count));
    sent_.keep(slot, got ? *got : 0);
    return got;
}

/// Sends headers in front of what was read. False if the back-end refused that.
bool tcp_translator::commit(const tcp_flow& f, const wire::virtio_net_header& vnet, std::size_t headers,
                            std::size_t octets) noexcept
{
    if (f.peek_offset)
        return ctx_.tap.commit_body(vnet, headers, octets);
    std::array<bytes_view, tap_queue::most_pieces> pieces;
    const auto count = sent_.gather(flows_.slot_of(f), f.c.in_flight(), octets, pieces);
    return ctx_.tap.commit_pieces(vnet, headers, std::span{pieces}.first(count));
}

/// The socket is told to keep the place behind what is in flight when there is such a place for the first time: small answers
/// never have one. False if it cannot.
bool tcp_translator::keep_place(tcp_flow& f) noexcept
{
    if (!f.keeps_place && f.c.in_flight() != 0)
        f.keeps_place = os::set_peek_offset(f.fd, f.c.in_flight()).has_value();
    return f.keeps_place || f.c.in_flight() == 0;
}

/// False if there are fewer octets: the position in the stream is unknown then.
bool tcp_translator::forget_acknowledged(tcp_flow& f, std::uint32_t octets) noexcept
{
    if (!f.peek_offset)
        return sent_.acknowledge(flows_.slot_of(f), octets);
    const auto gone = os::discard(f.fd, octets);
    return gone && *gone == octets;
}

/// Reading goes on with what the connection will send next.
void tcp_translator::rewind(tcp_flow& f) noexcept
{
    if (f.keeps_place)
        (void)os::set_peek_offset(f.fd, f.c.in_flight());
    f.readable = true;
}

} // namespace tapioca
