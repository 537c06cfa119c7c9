// One connection from its first segment to its last: the guest's end, the way, the socket at the far end, and the verdict on all
// that the daemon sent.
#pragma once

#include "tests/adversary/hostile_way.hpp"
#include "tests/adversary/remote_end.hpp"

namespace tapioca::adversary {

class conversation {
public:
    conversation(const plan& p, std::uint64_t seed, const flow_key& key, const link_ends& link, bool inbound, instant now);

    void begin(instant now);
    /// A frame that the daemon sent, in the order in which it sent them.
    void judge(const wire::tcp_segment& s, bool checksum_is_right);
    /// What the way let through.
    void receive(const wire::tcp_segment& s, instant now);
    void turn(instant now);
    [[nodiscard]] instant next() const;
    /// Both ends have come to their end, and the guest has answered for a while.
    [[nodiscard]] bool is_over(instant now) const { return over_at_ != instant::max() && now >= over_at_; }
    /// What was not as it should be, once it is over or has taken too long.
    [[nodiscard]] std::vector<std::string> faults(bool in_time) const;
    [[nodiscard]] std::string state() const;

    plan what;
    test::guest_tcp guest;
    remote_end peer;
    hostile_way way;
    const bool inbound;
    const instant started;
    bool reset_in_closing = false;                                    ///< when both ends had all: nobody is left to be told
    std::uint64_t fresh_octets = 0, old_octets = 0, old_segments = 0; ///< sent by the daemon

private:
    void guest_turn(instant now);
    void guest_reads(instant now);
    void guest_writes(instant now);
    void guest_ends(instant now);
    void guest_resets(instant now);
    void keep_alive(instant now);
    [[nodiscard]] bool guest_is_done() const;
    void complain(std::string of) { complaints_.push_back(std::move(of)); }
    void judge_end(std::vector<std::string>& found) const;

    const flow_key key_;
    std::vector<std::string> complaints_;
    bool knows_begin_ = false, has_stopped_ = false, has_ended_ = false, reset_by_guest_ = false, reset_by_peer_ = false;
    seq_number newest_, window_edge_;
    int daemon_scale_ = 0;
    instant read_at_{}, write_at_{}, end_at_ = instant::max(), keep_alive_at_ = instant::max(), over_at_ = instant::max();
};

} // namespace tapioca::adversary
