// Pipes that spliced connections borrow while octets are on their way, so that an idle connection has none.
//
// A user's pipes share one allowance of memory among all his processes (pipe(7), pipe-user-pages-soft: 64 pipes of 1 MiB), so few
// are made large, and more only while they are needed. A pipe that was made while the allowance was used up is small, and grows
// when it is borrowed and there is some again. A pipe comes back empty or is closed: octets of one connection never reach
// another.
#pragma once

#include "daemon/os/splice.hpp"

#include <array>
#include <cstdint>

namespace tapioca {

class pipe_pool {
public:
    /// 0: no pipe.
    using handle = std::uint16_t;

    static constexpr std::size_t most_pipes = 256;
    static constexpr std::size_t large_pipes = 16; ///< in all pools of the process together
    static constexpr std::size_t large_octets = std::size_t{1} << 20;
    static constexpr std::size_t usual_octets = std::size_t{64} << 10;
    static constexpr std::size_t least_octets = 4096; ///< of a pipe of a user whose allowance is used up

    /// `large`: how many may have 1 MiB.
    explicit pipe_pool(std::size_t large) noexcept;

    /// An empty pipe; 0 if none can be had.
    [[nodiscard]] handle borrow() noexcept;
    void give_back(handle empty) noexcept;
    /// For one that is not empty.
    void close(handle full) noexcept;

    /// Whether the next borrow() yields a pipe that holds `octets`.
    [[nodiscard]] bool can_hold(std::size_t octets) noexcept;

    [[nodiscard]] int in(handle p) const noexcept { return pipes_[p - 1U].ends.in.get(); }
    [[nodiscard]] int out(handle p) const noexcept { return pipes_[p - 1U].ends.out.get(); }
    [[nodiscard]] std::size_t borrowed() const noexcept { return borrowed_; }

    /// What was refused is tried again.
    void end_turn() noexcept { refused_ = growth_refused_ = false; }

private:
    static constexpr std::size_t kept_idle = 32;

    struct entry {
        os::pipe_ends ends;
        std::uint32_t octets = 0;
        handle next = 0; ///< while idle or unmade
    };

    [[nodiscard]] std::size_t enlarge(int pipe) const noexcept;
    [[nodiscard]] bool make() noexcept;
    void let_grow(entry& p) noexcept;

    std::array<entry, most_pipes> pipes_;
    handle idle_ = 0, unmade_ = 1;
    std::size_t idle_count_ = 0, borrowed_ = 0, large_left_;
    bool refused_ = false;        ///< the kernel gave none in this turn
    bool growth_refused_ = false; ///< nor any memory for a small one
};

} // namespace tapioca
