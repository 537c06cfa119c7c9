#include "proto/capture/bpf.hpp"

namespace tapioca::bpf {
namespace {

// The parts of a code, as linux/bpf_common.h has them.
enum instruction_class : unsigned { ld = 0, ldx = 1, st = 2, stx = 3, alu = 4, jmp = 5, ret = 6, misc = 7 };
enum load_size : unsigned { word = 0x00, half = 0x08, byte = 0x10 };
enum load_mode : unsigned { imm = 0x00, absolute = 0x20, indexed = 0x40, memory = 0x60, length_of = 0x80, header_length = 0xa0 };
enum operation : unsigned {
    add = 0x00,
    sub = 0x10,
    mul = 0x20,
    div = 0x30,
    bit_or = 0x40,
    bit_and = 0x50,
    lsh = 0x60,
    rsh = 0x70,
    neg = 0x80,
    mod = 0x90,
    bit_xor = 0xa0
};
enum jump : unsigned { ja = 0x00, jeq = 0x10, jgt = 0x20, jge = 0x30, jset = 0x40 };
enum operand : unsigned { constant = 0x00, index_register = 0x08 };
enum returned : unsigned { return_constant = 0x00, return_accumulator = 0x10 };
enum transfer : unsigned { tax = 0x00, txa = 0x80 };

constexpr unsigned class_of(const instruction& i) noexcept { return i.code & 0x07U; }
constexpr unsigned size_of(const instruction& i) noexcept { return i.code & 0x18U; }
constexpr unsigned mode_of(const instruction& i) noexcept { return i.code & 0xe0U; }
constexpr unsigned operation_of(const instruction& i) noexcept { return i.code & 0xf0U; }
constexpr bool uses_index(const instruction& i) noexcept { return (i.code & index_register) != 0; }

/// Beyond, the kernel has what no frame has: SKF_NET_OFF and its like.
constexpr std::uint32_t first_negative = 0x8000'0000;

bool is_valid_load(const instruction& i) noexcept
{
    const bool accumulator = class_of(i) == ld;
    switch (mode_of(i)) {
    case imm:
    case length_of:
        return size_of(i) == word;
    case memory:
        return size_of(i) == word && i.k < scratch_words;
    case absolute:
        return accumulator && size_of(i) <= byte && i.k < first_negative;
    case indexed:
        return accumulator && size_of(i) <= byte;
    case header_length:
        return !accumulator && size_of(i) == byte && i.k < first_negative;
    default:
        return false;
    }
}

bool is_valid_operation(const instruction& i) noexcept
{
    switch (operation_of(i)) {
    case add:
    case sub:
    case mul:
    case bit_or:
    case bit_and:
    case bit_xor:
        return true;
    case div:
    case mod:
        return uses_index(i) || i.k != 0;
    case lsh:
    case rsh:
        return uses_index(i) || i.k < 32;
    case neg:
        return !uses_index(i);
    default:
        return false;
    }
}

/// `left`: instructions behind this one.
bool is_valid_jump(const instruction& i, std::size_t left) noexcept
{
    switch (operation_of(i)) {
    case ja:
        return !uses_index(i) && i.k < left;
    case jeq:
    case jgt:
    case jge:
    case jset:
        return i.jump_true < left && i.jump_false < left;
    default:
        return false;
    }
}

bool is_valid(const instruction& i, std::size_t left) noexcept
{
    if (i.code > 0xff)
        return false;
    switch (class_of(i)) {
    case ld:
    case ldx:
        return is_valid_load(i);
    case st:
    case stx:
        return (i.code & 0xf8U) == 0 && i.k < scratch_words;
    case alu:
        return is_valid_operation(i);
    case jmp:
        return is_valid_jump(i, left);
    case ret:
        return (i.code & 0xf8U) == return_constant || (i.code & 0xf8U) == return_accumulator;
    default: // misc
        return (i.code & 0xf8U) == tax || (i.code & 0xf8U) == txa;
    }
}

/// Scratch words that were stored on every way to an instruction: a bit for each word, of each instruction.
bool stores_before_it_loads(std::span<const instruction> program) noexcept
{
    std::array<std::uint16_t, longest_program> stored;
    stored.fill(0xffff);
    std::uint16_t now = 0;
    for (std::size_t at = 0; at < program.size(); ++at) {
        const auto& i = program[at];
        now = stored[at] = static_cast<std::uint16_t>(stored[at] & now);
        const auto leads_to = [&](std::size_t next) {
            if (next < program.size())
                stored[next] = static_cast<std::uint16_t>(stored[next] & now);
        };
        switch (class_of(i)) {
        case st:
        case stx:
            now = static_cast<std::uint16_t>(now | 1U << i.k);
            break;
        case ld:
        case ldx:
            if (mode_of(i) == memory && (now & 1U << i.k) == 0)
                return false;
            break;
        case jmp:
            leads_to(at + 1 + (operation_of(i) == ja ? i.k : i.jump_true));
            if (operation_of(i) != ja)
                leads_to(at + 1 + i.jump_false);
            now = 0xffff; // nobody comes to the next one but by a jump, which has said what it brings
            break;
        default:
            break;
        }
    }
    return true;
}

/// `size` octets at `at`, in network order; nothing if they are not all there. The first piece mostly has them.
std::optional<std::uint32_t> load(const scattered_view& frame, std::uint64_t at, std::size_t size) noexcept
{
    if (at + size > frame.octets)
        return std::nullopt;
    std::uint32_t value = 0;
    const auto append = [&value](bytes_view part) {
        for (const octet o : part)
            value = value << 8 | o;
    };
    const auto first = frame.pieces.front();
    if (at + size <= first.size())
        append(first.subspan(static_cast<std::size_t>(at), size));
    else
        frame.each(static_cast<std::size_t>(at), size, append);
    return value;
}

constexpr std::size_t octets_of(unsigned size) noexcept { return size == word ? 4 : size == half ? 2 : 1; }

/// Nothing: a division by zero.
std::optional<std::uint32_t> calculated(unsigned operation, std::uint32_t a, std::uint32_t b) noexcept
{
    switch (operation) {
    case add:
        return a + b;
    case sub:
        return a - b;
    case mul:
        return a * b;
    case div:
        return b == 0 ? std::nullopt : std::optional{a / b};
    case mod:
        return b == 0 ? std::nullopt : std::optional{a % b};
    case bit_or:
        return a | b;
    case bit_and:
        return a & b;
    case bit_xor:
        return a ^ b;
    case lsh:
        return b < 32 ? a << b : 0;
    case rsh:
        return b < 32 ? a >> b : 0;
    default: // neg
        return 0U - a;
    }
}

bool holds(unsigned condition, std::uint32_t a, std::uint32_t b) noexcept
{
    switch (condition) {
    case jeq:
        return a == b;
    case jgt:
        return a > b;
    case jge:
        return a >= b;
    default: // jset
        return (a & b) != 0;
    }
}

struct machine {
    const scattered_view& frame;
    std::size_t length;
    std::uint32_t a = 0, x = 0;
    std::array<std::uint32_t, scratch_words> words{};

    [[nodiscard]] std::optional<std::uint32_t> loaded(const instruction& i) const noexcept
    {
        switch (mode_of(i)) {
        case imm:
            return i.k;
        case length_of:
            return static_cast<std::uint32_t>(length);
        case memory:
            return words[i.k];
        case absolute:
            return load(frame, i.k, octets_of(size_of(i)));
        case indexed:
            return load(frame, std::uint64_t{x} + i.k, octets_of(size_of(i)));
        default: // header_length: that of IPv4, in its first octet
            if (const auto first = load(frame, i.k, 1))
                return (*first & 0x0fU) << 2;
            return std::nullopt;
        }
    }
};

} // namespace

instruction read_instruction(std::span<const octet, octets_of_instruction> from) noexcept
{
    const auto wide = [&](std::size_t at) { return std::uint32_t{from[at]}; };
    return {static_cast<std::uint16_t>(wide(0) << 8 | wide(1)), from[2], from[3],
            wide(4) << 24 | wide(5) << 16 | wide(6) << 8 | wide(7)};
}

std::array<octet, octets_of_instruction> written(const instruction& i) noexcept
{
    const auto octet_of = [](std::uint32_t value, unsigned shift) { return static_cast<octet>(value >> shift); };
    return {octet_of(i.code, 8), octet_of(i.code, 0), i.jump_true,      i.jump_false,
            octet_of(i.k, 24),   octet_of(i.k, 16),   octet_of(i.k, 8), octet_of(i.k, 0)};
}

bool is_valid(std::span<const instruction> program) noexcept
{
    if (program.empty() || program.size() > longest_program || class_of(program.back()) != ret)
        return false;
    for (std::size_t at = 0; at < program.size(); ++at)
        if (!is_valid(program[at], program.size() - at - 1))
            return false;
    return stores_before_it_loads(program);
}

std::uint32_t run(std::span<const instruction> program, const scattered_view& frame, std::size_t length) noexcept
{
    machine m{.frame = frame, .length = length};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const auto& i = program[at];
        switch (class_of(i)) {
        case ld:
        case ldx: {
            const auto value = m.loaded(i);
            if (!value)
                return 0;
            (class_of(i) == ld ? m.a : m.x) = *value;
            break;
        }
        case st:
        case stx:
            m.words[i.k] = class_of(i) == st ? m.a : m.x;
            break;
        case alu: {
            const auto value = calculated(operation_of(i), m.a, uses_index(i) ? m.x : i.k);
            if (!value)
                return 0;
            m.a = *value;
            break;
        }
        case jmp:
            if (operation_of(i) == ja)
                at += i.k;
            else
                at += holds(operation_of(i), m.a, uses_index(i) ? m.x : i.k) ? i.jump_true : i.jump_false;
            break;
        case ret:
            return (i.code & 0xf8U) == return_accumulator ? m.a : i.k;
        default: // misc
            ((i.code & 0xf8U) == tax ? m.x : m.a) = (i.code & 0xf8U) == tax ? m.a : m.x;
        }
    }
    return 0; // a valid program has returned
}

} // namespace tapioca::bpf
