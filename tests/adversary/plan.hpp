// What one TCP connection will do at both ends and on its way: all of it follows from the run's seed and the connection's number.
#pragma once

#include "tests/adversary/dice.hpp"
#include "tests/support/guest_model.hpp"

#include <string>

namespace tapioca::adversary {

/// How the guest ends its half.
enum class guest_end : std::uint8_t {
    fin_with_data,    ///< in the segment of the last octets
    fin_later,        ///< in a segment of its own, some time after the last octets
    fin_after_peer,   ///< once the peer's end has come
    fin_at_once_both, ///< in the moment in which the peer ends, too
    reset_midway,     ///< a RST somewhere in the stream
    reset_at_end,     ///< a RST instead of a FIN, when all is said
};

enum class peer_end : std::uint8_t { after_data, after_guest, reset_midway };

/// How somebody takes what has come.
struct appetite {
    bool greedy = true;
    std::uint64_t sip = 0; ///< octets at a time, if not greedy
    duration pause{};      ///< between sips
    std::uint64_t stop_at = UINT64_MAX;
    duration stop_for{}; ///< nothing is read for so long behind `stop_at`
};

struct mischief {
    unsigned loss_out = 0, loss_in = 0, reorder = 0, duplicate = 0; ///< in 1000 segments; "out" is from the guest
    duration longest_delay{};
    unsigned overlap = 0, urgent = 0; ///< in 1000 segments with data
    bool splits_acks = false;         ///< an acknowledgement becomes many
    unsigned swallowed_acks = 0;      ///< in 1000 pure acknowledgements
    duration keep_alive{};            ///< zero: none
    /// Nothing of what the daemon sends is lost, late or twice, and no acknowledgement is lost: it has no reason to repeat.
    [[nodiscard]] bool is_gentle() const { return loss_out + loss_in + reorder + duplicate + swallowed_acks == 0; }
};

struct plan {
    std::uint64_t number = 0;
    bool refused = false; ///< nobody listens at the other end
    test::guest_options options;
    std::uint16_t announced_mss = 1460;
    bool same_port = false; ///< as the connection before it in the same slot
    std::uint64_t up = 0, down = 0, up_chunk = 0, down_chunk = 0;
    duration up_pause{}, down_pause{}, end_pause{};
    appetite guest, peer;
    guest_end how_guest_ends = guest_end::fin_with_data;
    peer_end how_peer_ends = peer_end::after_data;
    std::uint64_t guest_resets_at = UINT64_MAX, peer_resets_at = UINT64_MAX; ///< octets seen by that end, both ways together
    mischief way;
    duration linger{}; ///< how long the guest answers after its end

    [[nodiscard]] bool calls_for_reset() const
    {
        return how_guest_ends == guest_end::reset_midway || how_guest_ends == guest_end::reset_at_end ||
               how_peer_ends == peer_end::reset_midway;
    }
};

[[nodiscard]] plan make_plan(std::uint64_t seed, std::uint64_t number, bool inbound);
[[nodiscard]] std::string describe(const plan& p);

} // namespace tapioca::adversary
