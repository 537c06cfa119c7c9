// DNS messages that we make: queries of our own, and answers to those of clients. RFC 1035 section 4; RFC 2308 for answers that
// there is nothing; RFC 6891 for OPT; RFC 8914 for the reason of a refusal.
#pragma once

#include "proto/base/fixed_vector.hpp"
#include "proto/wire/dns_message.hpp"

namespace tapioca::wire {

/// A name, its type and class, and OPT.
inline constexpr std::size_t longest_dns_query = sizeof(dns_header) + longest_encoded_name + 4 + 11;
/// A question of ours: in lower case, with recursion desired, and OPT without options. How long it is.
std::size_t make_dns_query(std::uint16_t id, const dns_question& question, std::span<octet, longest_dns_query> into) noexcept;

/// Why an answer is not what it could be (RFC 8914); only clients that speak of OPT are told.
enum class extended_error : std::uint16_t {
    none = 0xffff,
    blocked = 15,          ///< a policy of whoever runs the server
    no_reachable_peer = 22 ///< no resolver has answered
};

/// An answer in the making: the header and the client's own question come first, OPT last.
class dns_answer {
public:
    /// `into` is as long as the answer may be, 65535 octets at most.
    dns_answer(const dns_query& to, wire::rcode rcode, bytes_span into) noexcept;

    /// A record of another server's parsed answer, its names no longer compressed, unless they are known here. Answers come
    /// before authorities.
    void add(const dns_reply& from, const dns_record& record, dns_section section) noexcept;
    /// In place of a record that says where the zone begins: what a client may remember for a short time, and that this is us.
    void add_own_authority() noexcept;

    /// How long the answer is; 0: it does not fit.
    [[nodiscard]] std::size_t finish(extended_error why = extended_error::none) noexcept;

private:
    struct known_name {
        encoded_name name; ///< in lower case
        std::uint16_t at = 0;
    };
    void put_name(const encoded_name& name) noexcept;
    void put_data(const dns_reply& from, const dns_record& record) noexcept;
    void put_opt(extended_error why) noexcept;

    dns_query asked_;
    dns_header header_{};
    std::array<std::uint16_t, 2> counts_{};
    fixed_vector<known_name, 9> known_;
    writer out_;
};

/// For how long a client may remember that a name is denied.
inline constexpr std::uint32_t denial_ttl = 10;

/// The answer that the policy lets nobody ask for the name, or not for that type of it: with `name_error` or `no_error`.
[[nodiscard]] std::size_t make_denial(const dns_query& to, wire::rcode rcode, bytes_span into) noexcept;
/// Without any records: a failure, or a refusal.
[[nodiscard]] std::size_t make_empty_answer(const dns_query& to, wire::rcode rcode, extended_error why, bytes_span into) noexcept;
/// To a client that speaks of a version of OPT which nobody knows yet.
[[nodiscard]] std::size_t make_version_refusal(const dns_query& to, bytes_span into) noexcept;
/// A header alone, for what cannot be understood; 0 if it is not even a query.
[[nodiscard]] std::size_t make_header_only(bytes_view query, wire::rcode rcode, bytes_span into) noexcept;
/// In place of an answer that does not fit a datagram: the client is to ask again over TCP.
[[nodiscard]] std::size_t make_truncated(const dns_query& to, wire::rcode rcode, bytes_span into) noexcept;

} // namespace tapioca::wire
