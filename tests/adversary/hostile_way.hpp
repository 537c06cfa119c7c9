// The way between a guest and the daemon as bad as a correct network may be: segments are lost, late, twice, cut into parts that
// overlap; acknowledgements are split and swallowed. Resets arrive, as nobody would repeat them.
#pragma once

#include "tests/adversary/plan.hpp"

#include <functional>

namespace tapioca::adversary {

class hostile_way {
public:
    /// A frame that arrives after this time.
    using carrier = std::function<void(std::vector<octet> frame, duration delay)>;

    hostile_way(const plan& p, std::uint64_t seed, const flow_key& key, const link_ends& link)
        : plan_(p), dice_(seed, p.number ^ 0x77617900), key_(key), link_(link)
    {
    }

    /// A frame of the guest, its checksum still open.
    void out(test::memory_frame frame, const carrier& carry);
    /// A frame of the daemon.
    void in(bytes_view frame, bool has_reset, const carrier& carry);

    bool calm = false; ///< from now on all goes well
    std::uint64_t lost_in = 0, lost_out = 0;

private:
    struct piece {
        wire::tcp_segment header;
        std::uint16_t urgent = 0;
    };
    void out_acknowledgement(const wire::tcp_segment& s, const carrier& carry);
    void out_data(const wire::tcp_segment& s, const carrier& carry);
    void transmit(const piece& p, const carrier& carry);
    void transmit_unharmed(test::memory_frame frame, const carrier& carry);
    [[nodiscard]] duration any_delay();

    const plan& plan_;
    dice dice_;
    flow_key key_;
    link_ends link_;
    bool has_acknowledged_ = false;
    seq_number acknowledged_;
};

} // namespace tapioca::adversary
