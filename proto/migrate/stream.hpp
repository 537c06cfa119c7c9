// The state of a back-end as octets, version 2 of upstream's stream: what was seen of the guest, a count, a record of each TCP
// connection, then of each one a record of its socket with the octets of both queues. Integers are big-endian, but for the ports,
// which are in the byte order of the machine.
//
// The decoder is fed by whoever had the guest before: nothing in there is trusted. What cannot be a stream is refused; a record
// that makes no sense costs its connection only, as what follows is still understood.
#pragma once

#include "proto/base/bytes.hpp"
#include "proto/migrate/records.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace tapioca::migrate {

inline constexpr std::size_t preface_octets = 16 + 42; ///< what is in front of the count
inline constexpr std::size_t flow_octets = 112, socket_octets = 52;

void put_preface(writer& out, const guest_seen& seen) noexcept;
void put_count(writer& out, std::uint32_t flows) noexcept;
void put(writer& out, const flow_record& flow) noexcept;
void put(writer& out, const socket_record& socket) noexcept;

enum class refusal : std::uint8_t { none, no_state, other_version, too_many_flows, queue_too_long, octets_behind_it, count_ };
inline constexpr std::array<std::string_view, static_cast<std::size_t>(refusal::count_)> refusal_words{
    "",
    "it is no state of a passt",
    "its version is another one",
    "it has more connections than there is room for",
    "a queue is longer than queues may be",
    "it goes on behind its end",
};

class stream_decoder {
public:
    explicit stream_decoder(std::uint32_t most_flows) noexcept : most_flows_(most_flows) {}

    enum class item : std::uint8_t {
        nothing,        ///< more octets are needed
        guest,          ///< guest()
        count,          ///< count()
        flow,           ///< flow(), in the order of all that follows
        socket,         ///< socket()
        send_octets,    ///< octets(): some of those of the send queue
        receive_octets, ///< octets()
        flow_end,       ///< all of that connection has been there
        refused,        ///< why()
    };
    /// The next thing in `in`, whose octets are taken off its front.
    [[nodiscard]] item next(bytes_view& in) noexcept;

    [[nodiscard]] const guest_seen& guest() const noexcept { return guest_; }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
    /// Nothing: it makes no sense.
    [[nodiscard]] const std::optional<flow_record>& flow() const noexcept { return flow_; }
    [[nodiscard]] const std::optional<socket_record>& socket() const noexcept { return socket_; }
    [[nodiscard]] bytes_view octets() const noexcept { return octets_; }
    [[nodiscard]] bool is_complete() const noexcept { return stage_ == stage::end; }
    [[nodiscard]] refusal why() const noexcept { return why_; }

private:
    enum class stage : std::uint8_t { preface, count, flows, socket, send_queue, receive_queue, flow_end, end, refused };

    [[nodiscard]] bool gather(bytes_view& in, std::size_t octets) noexcept;
    [[nodiscard]] item refuse(refusal why) noexcept;
    [[nodiscard]] item take_preface() noexcept;
    [[nodiscard]] item take_count() noexcept;
    [[nodiscard]] item take_flow() noexcept;
    [[nodiscard]] item take_socket() noexcept;
    [[nodiscard]] item take_queue(bytes_view& in, item which, stage then) noexcept;

    std::uint32_t most_flows_;
    stage stage_ = stage::preface;
    refusal why_ = refusal::none;
    std::array<octet, flow_octets> gathered_{}; ///< the longest of all
    std::size_t gathered_count_ = 0;
    guest_seen guest_;
    std::uint32_t count_ = 0, done_ = 0;
    std::optional<flow_record> flow_;
    std::optional<socket_record> socket_;
    std::uint32_t left_ = 0, receive_octets_ = 0; ///< of the queue that is being taken; of the one behind it
    bytes_view octets_;
};
static_assert(preface_octets <= flow_octets && socket_octets <= flow_octets);

} // namespace tapioca::migrate
