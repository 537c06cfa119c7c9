// As much of DNS as a forwarder needs that looks into no records: a message's header, and its question (RFC 1035 section 4.1).
#pragma once

#include "proto/base/byte_order.hpp"
#include "proto/base/bytes.hpp"

namespace tapioca::wire {

inline constexpr std::uint16_t dns_port = 53;
/// What fits one packet on nearly every path, so that clients and servers ask for no more (RFC 9715 appendix A).
inline constexpr std::size_t usual_dns_message = 1232;

struct dns_header {
    be16 id;
    octet flags, more_flags; ///< QR, opcode, AA, TC, RD; then RA, Z, AD, CD, RCODE
    be16 questions, answers, authorities, additionals;
};
static_assert(sizeof(dns_header) == 12 && wire_header<dns_header>);

inline constexpr octet dns_qr = 0x80, dns_opcode = 0x78, dns_rd = 0x01; ///< of `flags`
inline constexpr octet dns_ra = 0x80, dns_rcode = 0x0f;                 ///< of `more_flags`

enum class rcode : octet { no_error = 0, format_error = 1, server_failure = 2, name_error = 3, not_implemented = 4, refused = 5 };

struct dns_message {
    std::uint16_t id = 0;
    bool answers = false; ///< it is a response
    wire::rcode rcode{};
    bytes_view question; ///< the first: name, type and class; empty if there is none
};
/// The reason if the header is cut, or the question; or if that has a pointer, as there is no name before it that it could mean.
[[nodiscard]] parsed<dns_message> parse_dns(bytes_view payload) noexcept;

/// Whether `answer` may be one to `query`: it has its id, and its question (in whatever case, RFC 4343) or none, as some servers
/// leave it out when they refuse.
[[nodiscard]] bool may_answer(const dns_message& answer, const dns_message& query) noexcept;

/// Whether the server could not or would not say anything about the name, so that another may. These are the three for which
/// glibc, too, goes on to its next server.
[[nodiscard]] constexpr bool says_nothing(rcode r) noexcept
{
    return r == rcode::server_failure || r == rcode::not_implemented || r == rcode::refused;
}

inline constexpr std::size_t longest_server_failure = sizeof(dns_header) + 255 + 4; ///< with the longest name, its type and class
/// The answer "server failure" to a query that has been parsed, with its question. How long it is; 0: it does not fit.
[[nodiscard]] std::size_t make_server_failure(bytes_view query, const dns_message& parsed, bytes_span into) noexcept;

} // namespace tapioca::wire
