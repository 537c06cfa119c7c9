// Classic BPF: the programs that libpcap compiles filters to (McCanne and Jacobson, "The BSD Packet Filter", 1993; the kernel's
// Documentation/networking/filter.rst). Whoever asks for a capture sends one. It is validated once; then it ends after at most as
// many instructions as it has, because jumps lead forward, and touches nothing but the frame and sixteen words of its own.
#pragma once

#include "proto/base/bytes.hpp"

#include <array>
#include <optional>
#include <span>

namespace tapioca::bpf {

/// As struct sock_filter.
struct instruction {
    std::uint16_t code = 0;
    std::uint8_t jump_true = 0, jump_false = 0; ///< instructions to skip
    std::uint32_t k = 0;

    bool operator==(const instruction&) const = default;
};

inline constexpr std::size_t longest_program = 4096; ///< BPF_MAXINSNS
inline constexpr std::size_t scratch_words = 16;     ///< BPF_MEMWORDS

/// The octets of an instruction as a filter is sent: code, jump_true, jump_false, k, in network order.
inline constexpr std::size_t octets_of_instruction = 8;
[[nodiscard]] instruction read_instruction(std::span<const octet, octets_of_instruction> from) noexcept;
[[nodiscard]] std::array<octet, octets_of_instruction> written(const instruction& i) noexcept;

/// Whether the program may be run: no more instructions than longest_program, all known, jumps that stay inside, scratch words
/// that exist and were stored on every way to where they are loaded, no division by a constant 0, no shift by 32 or more, and a
/// return at the end. The kernel's extensions (negative offsets) are refused. The empty program is none.
[[nodiscard]] bool is_valid(std::span<const instruction> program) noexcept;

/// How many octets of the frame are wanted; 0: none. `program` is valid. `frame.octets` is the part of the frame that may be
/// looked at, `length` that of the whole. Loads from outside, and divisions by zero, end it with 0.
[[nodiscard]] std::uint32_t run(std::span<const instruction> program, const scattered_view& frame, std::size_t length) noexcept;

} // namespace tapioca::bpf
