// Rules that scan (`auto`): which ports to open and which to close, given what is bound on the two sides. The daemon reads the
// bound ports once a second, opens and closes sockets, and says what was refused.
//
// A port of a rule is wanted while the other side has its target port bound. For UDP, a port on which the other side listens for
// TCP counts as well: some programs agree by TCP on a UDP port of the same number (iperf3).
//
// Our own listening sockets are bound ports, too. They must not count as the other side's, or each direction would keep the other
// one open and traffic would go in circles. That holds for what was ours when the ports were read and for what is ours now.
//
// A port that was refused (in use, privileged) stays refused until its target vanishes, or until somebody gives the port up on
// the side where we want to listen; then there is one more attempt.
#pragma once

#include "proto/base/port_set.hpp"
#include "proto/forward/forward_rule.hpp"

#include <bit>
#include <span>

namespace tapioca {

enum class scan_action : std::uint8_t { open, close };

struct scan_change {
    rule_side side = rule_side::host;
    std::size_t rule = 0; ///< index among the rules of that side
    std::uint16_t port = 0;
    scan_action action = scan_action::open;
};

/// What is known about 64 target ports of a rule, aligned like the words of a port_set.
struct scan_word {
    std::uint64_t open = 0, refused = 0;
};

/// The rules of one side, with the ports that are open and those that were refused.
class scan_state {
public:
    /// How many words of memory the rules need.
    [[nodiscard]] static std::size_t words_for(const forward_rules& rules) noexcept;
    /// `rules` and `memory` must outlive the object.
    scan_state(rule_side side, const forward_rules& rules, std::span<scan_word> memory) noexcept;

    /// Calls `change` with every port to close, then with every port to open, and takes it as done; `change` may call `refused`.
    /// `wanted` are the ports of the other side that count.
    template <class Change>
    void update(const bound_ports& wanted, Change&& change);

    /// The port could not be opened.
    void refused(std::size_t rule, std::uint16_t port) noexcept;
    /// These ports of the side where the rules listen are bound no longer, so whoever was refused may try again.
    void retry(const bound_ports& freed) noexcept;

    /// Adds the ports on which the rules listen now.
    void add_open(bound_ports& into) const noexcept;
    /// Whether a rule of this protocol scans.
    [[nodiscard]] bool scans(octet protocol) const noexcept;

private:
    /// A rule that scans and its words: one for each word of a port_set that holds a target port of the rule.
    struct view {
        std::size_t index;
        const forward_rule& rule;
        std::span<scan_word> words;

        /// The target ports of words[i] that are wanted.
        [[nodiscard]] std::uint64_t wanted(const bound_ports& ports, std::size_t i) const noexcept;
        [[nodiscard]] std::uint16_t listening_port(std::size_t i, int bit) const noexcept;
    };
    [[nodiscard]] static std::size_t words_of(const forward_rule& rule) noexcept;
    template <class Each>
    void for_each_rule(Each each) const noexcept;
    /// Calls `each` with the word of a listening port of the rule and the port's bit.
    template <class Each>
    static void at(const view& v, std::uint16_t port, Each each) noexcept;

    rule_side side_;
    const forward_rules& rules_;
    std::span<scan_word> memory_;
};

/// Both directions together.
class port_scan {
public:
    [[nodiscard]] static std::size_t words_for(const forward_rules& host, const forward_rules& guest) noexcept
    {
        return scan_state::words_for(host) + scan_state::words_for(guest);
    }
    /// The rules and `memory` must outlive the object.
    port_scan(const forward_rules& host, const forward_rules& guest, std::span<scan_word> memory) noexcept;

    /// A socket of a rule that does not scan listens on this port, for as long as the process lives.
    void add_fixed(rule_side side, octet protocol, std::uint16_t port) noexcept;

    /// Whether the ports of this protocol that are bound on this side matter, as the target of a rule or because they can be in
    /// the way of one; if not, they need not be read.
    [[nodiscard]] bool needs(rule_side side, octet protocol) const noexcept;

    /// Takes the ports as read, and calls `change` with what is to be done, which is taken as done. What is to be closed must be
    /// closed before the ports are read again. If they could not be read, there is nothing to call: everything stays as it is.
    template <class Change>
    void update(const bound_ports& host, const bound_ports& guest, Change&& change);

    /// A port that was to be opened could not be. May be called from within `update`, or later.
    void refused(const scan_change& opening) noexcept { state_of(opening.side).refused(opening.rule, opening.port); }

    /// What was refused on these ports of a side may be tried again.
    void retry(rule_side s, const bound_ports& ports) noexcept { state_of(s).retry(ports); }

private:
    struct side {
        scan_state state;
        bound_ports fixed{};  ///< our sockets that are not for the scan to close
        bound_ports before{}; ///< what was bound at the previous scan
    };
    [[nodiscard]] scan_state& state_of(rule_side s) noexcept { return (s == rule_side::host ? host_ : guest_).state; }
    static void retry_freed(side& listening, const bound_ports& bound) noexcept;
    static void add_ours(const side& s, bound_ports& into) noexcept;
    /// What counts of the ports that one side has bound, if `ours` are our own.
    [[nodiscard]] static bound_ports wanted_of(const bound_ports& bound, const bound_ports& ours) noexcept;

    side host_, guest_;
};

template <class Each>
void scan_state::for_each_rule(Each each) const noexcept
{
    std::size_t at = 0;
    for (std::size_t i = 0; i < rules_.size(); ++i)
        if (const auto words = words_of(rules_[i]); words != 0) {
            each(view{i, rules_[i], memory_.subspan(at, words)});
            at += words;
        }
}

template <class Change>
void scan_state::update(const bound_ports& wanted, Change&& change)
{
    const auto report = [&](const view& v, std::size_t i, std::uint64_t bits, scan_action action) {
        for (; bits != 0; bits &= bits - 1)
            change(scan_change{side_, v.index, v.listening_port(i, std::countr_zero(bits)), action});
    };
    for_each_rule([&](const view& v) {
        for (std::size_t i = 0; i < v.words.size(); ++i) {
            const auto gone = v.words[i].open & ~v.wanted(wanted, i);
            v.words[i].open &= ~gone;
            report(v, i, gone, scan_action::close);
        }
    });
    for_each_rule([&](const view& v) {
        for (std::size_t i = 0; i < v.words.size(); ++i) {
            const auto now = v.wanted(wanted, i);
            v.words[i].refused &= now;
            const auto fresh = now & ~v.words[i].open & ~v.words[i].refused;
            v.words[i].open |= fresh;
            report(v, i, fresh, scan_action::open);
        }
    });
}

template <class Change>
void port_scan::update(const bound_ports& host, const bound_ports& guest, Change&& change)
{
    bound_ports ours_on_host, ours_in_guest;
    add_ours(host_, ours_on_host);
    add_ours(guest_, ours_in_guest);
    retry_freed(host_, host);
    retry_freed(guest_, guest);
    host_.state.update(wanted_of(guest, ours_in_guest), change);
    add_ours(host_, ours_on_host); // what was opened just now is ours as well
    guest_.state.update(wanted_of(host, ours_on_host), change);
}

} // namespace tapioca
