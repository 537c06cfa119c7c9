// The protocol of pesto, version 2: a client reads and exchanges the forwarding rules of a running passt or pasta.
//
//   server   greeting {magic, version, sizes}; a table {id, name, capabilities, count, rules} for each interface ("pif"); a zero
//   client   nothing, and no rule changes; or a table {id, count, rules} for each interface; a zero
//
// The server speaks as soon as a client is there. What the client sends is the whole of all tables: an interface that it leaves
// out has no rules any more, one that it names twice has those of both. Nothing changes before the last zero has come. Numbers
// are big-endian. There is no answer; the server closes the connection. Octets may come in pieces of any size.
#pragma once

#include "proto/forward/forward_rule.hpp"

#include <optional>
#include <span>

namespace tapioca::pesto {

inline constexpr std::uint32_t protocol_version = 2;

/// What the rules of an interface may ask for, as bits of `pif::capabilities`. Other bits mean nothing to us.
namespace capability {
inline constexpr std::uint32_t ipv4 = 1, ipv6 = 2, tcp = 4, udp = 8, scan = 0x10, interface_name = 0x20;
}

/// An interface of the server with its table of rules: HOST, whose sockets lead to the guest, and SPLICE, whose sockets in the
/// namespace lead to the host.
struct pif {
    octet id = 0; ///< not zero
    fixed_string<127> name;
    std::uint32_t capabilities = 0;
    forward_rules rules;
};
using pif_list = fixed_vector<pif, 3>;

inline constexpr octet host_id = 1, splice_id = 3;

namespace wire {

struct greeting {
    std::array<octet, 8> magic;
    be32 version, name_size, interface_size;
};
struct pif_head {
    std::array<octet, 128> name;
    be32 capabilities, rule_count;
};
struct rule {
    std::array<octet, 16> address, target;
    std::array<octet, 16> interface;
    be16 first, last, target_first;
    octet protocol, flags;
};
static_assert(sizeof(greeting) == 20 && wire_header<greeting>);
static_assert(sizeof(pif_head) == 136 && wire_header<pif_head>);
static_assert(sizeof(rule) == 56 && wire_header<rule>);

} // namespace wire

/// Why octets are no message, or a value cannot be one.
enum class fault : std::uint8_t {
    magic,          ///< not this protocol at all
    version,        ///< `value` is neither ours nor a development version
    experimental,   ///< a development version
    name_size,      ///< names of interfaces have `value` octets
    interface_size, ///< names of network devices have `value` octets
    too_many_pifs,
    repeated_pif,   ///< the server has told of interface `value` before
    unknown_pif,    ///< the server has no interface `value`
    pif_name,       ///< not terminated, or not of characters that can be shown
    too_many_rules, ///< `value`
    interface_unterminated,
    interface_characters, ///< no network device can be called so
    port_zero,
    reversed_range,
    target_range, ///< ends behind port 65535, or begins with zero
    protocol,     ///< `value` is neither TCP nor UDP
    flags,        ///< `value` are unknown bits
    dual_address, ///< sockets of both families, and yet an address
    other_family, ///< a rule of ours whose address is not of its family
};

struct refusal {
    fault why = fault::magic;
    std::uint32_t value = 0;
    forward_rule rule; ///< as far as it could be read, where the fault is one of a rule
};

/// In upstream's words where it has some.
using refusal_text = fixed_string<120>;
[[nodiscard]] refusal_text text_of(const refusal& refused) noexcept;

/// A rule from the wire, all that one can say but for `group`, which is 0. What other rules and the network allow is for add_rule
/// to judge.
[[nodiscard]] std::optional<refusal> from_wire(const wire::rule& from, forward_rule& into) noexcept;
[[nodiscard]] std::optional<refusal> to_wire(const forward_rule& from, wire::rule& into) noexcept;

/// Whether two rules are one on the wire: alike in everything but the group.
[[nodiscard]] bool same(const forward_rule& a, const forward_rule& b) noexcept;

/// Appends a whole message; what does not fit makes the writer full. A refusal leaves half a message behind.
[[nodiscard]] std::optional<refusal> put_greeting(writer& out, const pif_list& pifs) noexcept;
[[nodiscard]] std::optional<refusal> put_tables(writer& out, const pif_list& pifs) noexcept;

/// The longest message: a greeting with three full tables.
inline constexpr std::size_t longest_message =
    sizeof(wire::greeting) +
    pif_list::capacity() * (1 + sizeof(wire::pif_head) + forward_rules::capacity() * sizeof(wire::rule)) + 1;

/// Takes a message apart as it comes. Best-effort rules that follow each other and differ in their ports alone become one group,
/// as the specifier that made them would have had it. Of a refused or unfinished one the values are not to be used.
class decoder {
public:
    enum class message : std::uint8_t { greeting, tables };
    enum class state : std::uint8_t { unfinished, complete, refused };

    /// A greeting fills an empty `pifs`. Tables go to the interfaces that `pifs` has, by their ids; the rules of all are cleared.
    decoder(message expected, pif_list& pifs) noexcept;

    /// How many of these octets were taken: all, or those up to the message's end or fault.
    std::size_t take(bytes_view octets) noexcept;

    [[nodiscard]] state now() const noexcept { return state_; }
    [[nodiscard]] const refusal& why() const noexcept { return refusal_; } ///< of a refused message
    /// Whether a greeting has begun: an end before it is another error than one behind it.
    [[nodiscard]] bool greeted() const noexcept { return next_ != part::greeting; }

private:
    enum class part : std::uint8_t { greeting, id, pif_head, rule_count, rule };

    [[nodiscard]] std::size_t size_of_part() const noexcept;
    void take_part() noexcept;
    void take_greeting() noexcept;
    void take_id(octet id) noexcept;
    void take_pif_head() noexcept;
    void take_rule_count(std::uint32_t count) noexcept;
    void take_rule() noexcept;
    void refuse(fault why, std::uint32_t value = 0) noexcept;

    template <wire_header T>
    [[nodiscard]] T part_as() const noexcept
    {
        return *reader{bytes_view{collected_}}.take<T>();
    }

    pif_list& pifs_;
    std::array<octet, sizeof(wire::pif_head)> collected_{}; ///< of the part that is next
    std::size_t have_ = 0;
    std::size_t pif_ = 0; ///< whose rules come
    std::uint32_t rules_due_ = 0;
    message message_;
    part next_;
    state state_ = state::unfinished;
    refusal refusal_;
};

} // namespace tapioca::pesto
