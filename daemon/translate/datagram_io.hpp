// Datagrams from and to sockets in batches: what all translators of datagrams share.
//
// A message that the kernel refuses is offered once more, as what it reported may have been an earlier datagram's fate (RFC 1122
// section 4.1.3.3: errors of the network reach the next call). What is still refused then is really this one. A run of datagrams
// that is refused goes singly: it is of more than the kernel cuts, beyond the path's MTU (EMSGSIZE or EINVAL), or for a device
// without checksum offload (EIO).
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/os/batch_io.hpp"
#include "daemon/translate/context.hpp"
#include "daemon/translate/limits.hpp"
#include "proto/udp/pseudo_connection.hpp"
#include "proto/udp/segment_run.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <concepts>

namespace tapioca {

/// When a flow ends unless something happens. `port`: the server's.
[[nodiscard]] inline instant expiry_of(const pseudo_connection& life, const plane_config& config, std::uint16_t port) noexcept
{
    return life.expiry({config.udp_timeout, config.udp_stream_timeout, limits::dns_timeout}, port);
}

/// Buffers that datagrams are received into, with space for headers in front of each.
template <std::size_t Count>
class datagram_buffers {
public:
    datagram_buffers() : memory_(Count * (tap_headroom + tap_queue::largest_body))
    {
        for (std::size_t i = 0; i < Count; ++i)
            order_[i] = static_cast<std::uint8_t>(i);
    }

    [[nodiscard]] bytes_span operator[](std::size_t i) const noexcept
    {
        const auto at = order_[i] * (tap_headroom + tap_queue::largest_body) + tap_headroom;
        return memory_.as<octet>().subspan(at, tap_queue::largest_body);
    }
    void swap(std::size_t a, std::size_t b) noexcept { std::swap(order_[a], order_[b]); }

    /// What has come into the first buffers, of at most `most`. Fewer: the socket was empty.
    [[nodiscard]] os::result<std::span<const os::incoming>> receive(int fd, std::size_t most,
                                                                    os::want_addresses addresses) noexcept
    {
        std::array<bytes_span, Count> into;
        for (std::size_t i = 0; i < most; ++i)
            into[i] = (*this)[i];
        const auto count = os::receive_batch(fd, std::span{into}.first(most), got_, addresses);
        if (!count)
            return count.error();
        return std::span<const os::incoming>{got_}.first(*count);
    }

    /// Receives, into `at_once` buffers each time, and calls `take`, which says how many octets that was. True if the socket is
    /// empty; false if the turn's budget is spent or may_go_on() says no.
    template <class May, class Take>
    [[nodiscard]] bool receive_all(int fd, os::want_addresses addresses, const std::size_t& at_once, May may_go_on,
                                   Take take) noexcept
    {
        int errors = 0;
        for (std::size_t moved = 0; moved < limits::udp_octets_per_turn && may_go_on();) {
            const auto most = at_once;
            const auto got = receive(fd, most, addresses);
            if (!got && got.error().value() != EAGAIN && ++errors <= most_errors)
                continue;
            if (got)
                moved += take(*got);
            if (!got || got->size() < most)
                return true;
        }
        return false;
    }

private:
    static constexpr int most_errors = 4; ///< each read that fails takes an error off the socket: the next one may succeed

    os::arena memory_;
    std::array<std::uint8_t, Count> order_;
    std::array<os::incoming, Count> got_;
};

[[nodiscard]] inline std::size_t datagrams_in(const os::outgoing& m) noexcept
{
    std::size_t octets = 0;
    for (const auto& piece : m.pieces)
        octets += piece.size();
    return datagrams_in(octets, m.segment);
}

/// Through which socket datagrams go, and what becomes of those that it refuses.
struct datagram_sender {
    report::counters& counters;
    report::counter sent;
    ip_family family;
    std::uint16_t& largest_segment; ///< runs of larger ones go singly
};
template <class Sender>
concept sends_datagrams = std::derived_from<Sender, datagram_sender> && requires(Sender s, const os::outgoing& m, int error)
{
    {
        s.descriptor()
        } -> std::same_as<int>;
    {
        s.repair(error)
        } -> std::same_as<bool>; ///< false: it is in vain to offer the socket anything
    s.on_refused(m, error);      ///< a single datagram
};

template <sends_datagrams Sender>
void send_singly(Sender& s, const os::outgoing& run) noexcept;

/// The message was refused once.
template <sends_datagrams Sender>
void offer_again(Sender& s, const os::outgoing& m, int error) noexcept
{
    if (error == EAGAIN || error == ENOBUFS || !s.repair(error))
        return s.counters.drop(drop_reason::send_failed, datagrams_in(m));
    const auto again = os::send_batch(s.descriptor(), s.family, {&m, 1});
    if (again)
        return s.counters.add(s.sent, datagrams_in(m));
    if (m.segment == 0)
        return s.on_refused(m, again.error().value());
    if (datagrams_in(m) <= segment_run::most_segments)
        s.largest_segment = again.error().value() == EIO ? std::uint16_t{0} : static_cast<std::uint16_t>(m.segment - 1);
    send_singly(s, m);
}

template <sends_datagrams Sender>
void send_datagrams(Sender& s, std::span<const os::outgoing> messages) noexcept
{
    while (!messages.empty()) {
        const auto too_large = [&](const os::outgoing& m) { return m.segment > s.largest_segment; };
        const auto whole = std::find_if(messages.begin(), messages.end(), too_large) - messages.begin();
        std::size_t done = 1;
        if (whole == 0)
            send_singly(s, messages.front());
        else if (const auto sent = os::send_batch(s.descriptor(), s.family, messages.first(static_cast<std::size_t>(whole))))
            for (done = 0; done < *sent; ++done)
                s.counters.add(s.sent, datagrams_in(messages[done]));
        else
            offer_again(s, messages.front(), sent.error().value());
        messages = messages.subspan(done);
    }
}

/// The datagrams of a run, a message each.
template <sends_datagrams Sender>
void send_singly(Sender& s, const os::outgoing& run) noexcept
{
    std::array<bytes_view, os::most_messages> cut;
    std::array<os::outgoing, os::most_messages> singles;
    std::size_t count = 0;
    for (auto left : run.pieces)
        while (!left.empty()) {
            cut[count] = left.first(std::min<std::size_t>(run.segment, left.size()));
            left = left.subspan(cut[count].size());
            singles[count] = run;
            singles[count].pieces = {&cut[count], 1};
            singles[count].segment = 0;
            if (++count == cut.size())
                send_datagrams(s, {singles.data(), std::exchange(count, 0)});
        }
    send_datagrams(s, {singles.data(), count});
}

} // namespace tapioca
