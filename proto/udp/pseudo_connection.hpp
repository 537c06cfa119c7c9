// How long a UDP flow lives. UDP has no end that could be seen, so silence decides: a short one while there was a question or a
// single exchange, a longer one when the endpoints converse (RFC 4787 section 4.3 on mapping timers; the kernel's nf_conntrack
// has the same two values). A query to a name server is over soon after its answer.
#pragma once

#include "proto/base/time.hpp"
#include "proto/wire/protocol.hpp"

#include <cstddef>
#include <cstdint>

namespace tapioca {

struct udp_timeouts {
    duration single, stream, answered;
};

class pseudo_connection {
public:
    /// Of datagrams; what is beyond the largest number is not counted.
    struct counts {
        std::uint8_t from_guest = 0, from_peer = 0, unanswered = 0;
        constexpr bool operator==(const counts&) const = default;
    };

    pseudo_connection() = default;
    /// As another process has seen it.
    pseudo_connection(const counts& c, instant last) noexcept
        : last_(last), from_guest_(c.from_guest), from_peer_(c.from_peer), unanswered_(c.unanswered)
    {
    }
    [[nodiscard]] counts counted() const noexcept { return {from_guest_, from_peer_, unanswered_}; }

    void on_guest(instant now, std::size_t datagrams) noexcept
    {
        last_ = now;
        from_guest_ = sum(from_guest_, datagrams);
        unanswered_ = sum(unanswered_, datagrams);
    }
    void on_peer(instant now, std::size_t datagrams) noexcept
    {
        last_ = now;
        from_peer_ = sum(from_peer_, datagrams);
        unanswered_ = datagrams < unanswered_ ? static_cast<std::uint8_t>(unanswered_ - datagrams) : std::uint8_t{0};
    }

    [[nodiscard]] instant last() const noexcept { return last_; }
    /// Both sides have spoken.
    [[nodiscard]] bool is_answered() const noexcept { return from_guest_ != 0 && from_peer_ != 0; }
    /// Both sides have spoken, one of them more than once.
    [[nodiscard]] bool converses() const noexcept { return is_answered() && from_guest_ + from_peer_ > 2; }

    /// Whether all questions to a name server have their answers. `port`: the remote one. What goes on there after two questions
    /// is something else: a tunnel, DNS over QUIC.
    [[nodiscard]] bool is_answered_query(std::uint16_t port) const noexcept
    {
        const bool queries = wire::is_name_service(port) && from_guest_ <= most_questions && from_peer_ <= most_questions;
        return queries && from_peer_ != 0 && unanswered_ == 0;
    }
    /// When the flow ends unless something happens.
    [[nodiscard]] instant expiry(const udp_timeouts& t, std::uint16_t port) const noexcept
    {
        if (is_answered_query(port))
            return last_ + t.answered;
        return last_ + (converses() ? t.stream : t.single);
    }

private:
    static constexpr std::uint8_t most_questions = 2; ///< a resolver asks for A and AAAA from one port

    static std::uint8_t sum(std::uint8_t n, std::size_t more) noexcept
    {
        return more > 0xffU - n ? std::uint8_t{0xff} : static_cast<std::uint8_t>(n + more);
    }

    instant last_{};
    std::uint8_t from_guest_ = 0, from_peer_ = 0;
    std::uint8_t unanswered_ = 0;
};

} // namespace tapioca
