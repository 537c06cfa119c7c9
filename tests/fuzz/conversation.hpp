// A TCP flow as the guest and the far end of the socket see it, for fuzzing: what is expected next, and which octets belong
// where. Both streams follow patterns, so that each octet that arrives is known to be right and in its place.
#pragma once

#include "proto/flow/key.hpp"
#include "proto/tcp/connection.hpp"
#include "proto/wire/tcp.hpp"
#include "tests/support/fuzz.hpp"
#include "tests/support/memory_kernel.hpp"
#include "tests/support/stream_pattern.hpp"

namespace tapioca::test {

struct conversation {
    flow_key key;
    bool by_peer = false;     ///< a peer opens it, else the guest
    seq_number guest_iss;     ///< the same each time, so that a place in the stream is a sequence number
    seq_number iss, snd, ack; ///< of ours: first, behind the last octet that came, and what was acknowledged
    memory_socket* socket = nullptr;
    std::uint64_t written = 0, taken = 0; ///< by the peer
    bool opened = false;                  ///< our SYN was seen
    bool answered = false;                ///< what was acknowledged is known
    bool scaled = false;
    seq_number edge; ///< of the window that was offered

    [[nodiscard]] stream_pattern from_guest() const { return stream_pattern{key.remote_port * 2ULL}; }
    [[nodiscard]] stream_pattern from_peer() const { return stream_pattern{key.remote_port * 2ULL + 1}; }
    /// Streams here are shorter than what sequence numbers count.
    static std::uint64_t place_of(seq_number at, seq_number iss) { return std::uint64_t{at.value() - iss.value() - 1}; }

    /// The guest's octets from that sequence number on. Those in front of the stream's first are nobody's: any will do.
    void fill(bytes_span payload, seq_number at) const
    {
        const auto place = place_of(at, guest_iss);
        const auto ahead =
            place >> 31 == 0 ? std::size_t{0} : std::min<std::size_t>(payload.size(), (std::uint64_t{1} << 32) - place);
        from_guest().fill(payload.subspan(ahead), ahead != 0 ? 0 : place);
    }

    /// A connection of that name begins: what was before is not of interest any more.
    void forget()
    {
        const auto old = *this;
        *this = {};
        key = old.key;
        by_peer = old.by_peer;
        guest_iss = old.guest_iss;
    }

    void peer_writes(memory_kernel& kernel, std::size_t count)
    {
        std::vector<octet> octets(count);
        from_peer().fill(octets, written);
        written += kernel.peer_writes(*socket, octets);
    }

    /// What the peer gets is what the guest sent, from the first octet on.
    void peer_takes(memory_kernel& kernel, std::size_t most, bool known)
    {
        if (socket == nullptr)
            return;
        const auto got = kernel.peer_takes(*socket, most);
        FUZZ_CHECK(!known || from_guest().matches(got, taken));
        taken += got.size();
    }

    /// A segment of ours arrives at the guest: acknowledgements never go back, nor does what was offered (RFC 9293
    /// section 3.8.6).
    void see(const wire::tcp_segment& s)
    {
        if (s.has(wire::tcp_rst)) {
            opened = false;
            return;
        }
        if (s.has(wire::tcp_syn)) {
            iss = s.seq;
            snd = s.seq + 1;
            opened = true;
            answered = s.has(wire::tcp_ack);
            scaled = s.window_scale.has_value();
            ack = answered ? s.ack : guest_iss;
            edge = s.ack + s.window;
            return;
        }
        FUZZ_CHECK(s.has(wire::tcp_ack));
        const auto scale = scaled && !by_peer ? tcp::our_window_scale : 0;
        const auto now_edge = s.ack + (std::uint32_t{s.window} << scale);
        FUZZ_CHECK(!answered || ack <= s.ack);
        // Of a peer's connection we do not know whether the guest's answer scaled. The field is rounded down: RFC 7323
        // section 2.4.
        FUZZ_CHECK(!answered || by_peer || edge <= now_edge + ((1U << scale) - 1));
        edge = answered ? std::max(edge, now_edge) : now_edge;
        answered = true;
        ack = s.ack;
        snd = std::max(snd, s.seq + s.length());
        if (!s.payload.empty() && s.seq > iss)
            FUZZ_CHECK(from_peer().matches(s.payload, place_of(s.seq, iss)));
    }
};

} // namespace tapioca::test
