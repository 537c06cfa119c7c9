// Whole DNS messages, as somebody needs them who looks into each record: RFC 1035 section 4, RFC 6891 for OPT. dns.hpp has what
// is enough for the others.
#pragma once

#include "proto/wire/dns.hpp"
#include "proto/wire/dns_name.hpp"

namespace tapioca::wire {

namespace dns_type {
inline constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, aaaa = 28, srv = 33, dname = 39, opt = 41,
                               svcb = 64, https = 65;
}
inline constexpr std::uint16_t dns_class_in = 1;

inline constexpr octet dns_aa = 0x04, dns_tc = 0x02; ///< of `flags`
inline constexpr octet dns_ad = 0x20;                ///< of `more_flags`

struct dns_question {
    encoded_name name; ///< as it was written
    std::uint16_t type = 0, in_class = 0;
};
/// Whether both ask the same, in whatever case.
[[nodiscard]] bool same_question(const dns_question& a, const dns_question& b) noexcept;

/// What a client can do (RFC 6891).
struct dns_client {
    bool has_opt = false;
    std::uint16_t most_octets = 512; ///< of a datagram; never less
    octet version = 0;
};

struct dns_query {
    std::uint16_t id = 0;
    bool wants_recursion = false;
    dns_question question;
    dns_client client;
};
/// The reason if it is no query of one question, or any part of it is malformed.
[[nodiscard]] parsed<dns_query> parse_dns_query(bytes_view message) noexcept;

struct dns_record {
    encoded_name owner;
    std::uint16_t type = 0, in_class = 0;
    std::uint32_t ttl = 0;
    std::size_t data_at = 0, data_size = 0; ///< in the message
};

enum class dns_section : std::uint8_t { answer, authority, additional };

/// An answer whose records are all well-formed: their names, and the names and addresses inside of those of known types.
struct dns_reply {
    bytes_view message;
    std::uint16_t id = 0;
    wire::rcode rcode{}; ///< the four bits of the header
    bool truncated = false;
    dns_question question;
    std::size_t records_at = 0;
    std::array<std::uint16_t, 3> counts{}; ///< of records, by section
};
[[nodiscard]] parsed<dns_reply> parse_dns_reply(bytes_view message) noexcept;

/// The record at `at`, which is then behind it.
[[nodiscard]] parsed<dns_record> take_dns_record(bytes_view message, std::size_t& at) noexcept;

/// Calls visit(record, section) for each record of a parsed answer, until it returns false.
template <class Visit>
void each_record(const dns_reply& reply, Visit visit)
{
    auto at = reply.records_at;
    for (std::size_t section = 0; section < reply.counts.size(); ++section)
        for (unsigned i = 0; i < reply.counts[section]; ++i) {
            const auto record = take_dns_record(reply.message, at);
            if (!record || !visit(*record, static_cast<dns_section>(section)))
                return;
        }
}

/// The names that stand in a record's data: so many, behind so many octets. All others have none, or none that is compressed.
struct dns_data_layout {
    std::size_t octets_before = 0, names = 0, octets_behind = 0;
};
[[nodiscard]] constexpr dns_data_layout layout_of(const dns_record& record) noexcept
{
    switch (record.type) {
    case dns_type::ns:
    case dns_type::cname:
    case dns_type::ptr:
    case dns_type::dname:
        return {0, 1, 0};
    case dns_type::soa:
        return {0, 2, 20};
    case dns_type::mx:
        return {2, 1, 0};
    case dns_type::srv:
        return record.in_class == dns_class_in ? dns_data_layout{6, 1, 0} : dns_data_layout{};
    default:
        return {};
    }
}

/// The name in the data of a CNAME, DNAME, NS or PTR record of a parsed answer.
[[nodiscard]] encoded_name target_of(const dns_reply& reply, const dns_record& record) noexcept;

} // namespace tapioca::wire
