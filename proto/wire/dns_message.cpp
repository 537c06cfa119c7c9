#include "proto/wire/dns_message.hpp"

#include <algorithm>

namespace tapioca::wire {
namespace {

constexpr std::uint16_t least_datagram = 512; ///< RFC 6891 section 6.2.3

struct question_tail {
    be16 type, in_class;
};
static_assert(sizeof(question_tail) == 4 && wire_header<question_tail>);

struct record_tail {
    be16 type, in_class;
    be32 ttl;
    be16 size;
};
static_assert(sizeof(record_tail) == 10 && wire_header<record_tail>);

parsed<dns_question> take_question(bytes_view message, std::size_t& at) noexcept
{
    dns_question q;
    q.name = TAPIOCA_TRY(take_dns_name(message, at));
    reader in{message.subspan(at)};
    const auto tail = TAPIOCA_TRY(in.take<question_tail>());
    at += sizeof tail;
    q.type = tail.type;
    q.in_class = tail.in_class;
    return q;
}

/// Whether the data of a known type is what it has to be.
bool is_sound(bytes_view message, const dns_record& r) noexcept
{
    if (r.type == dns_type::a && r.in_class == dns_class_in)
        return r.data_size == 4;
    if (r.type == dns_type::aaaa && r.in_class == dns_class_in)
        return r.data_size == 16;
    const auto layout = layout_of(r);
    if (layout.names == 0)
        return true;
    const auto end = r.data_at + r.data_size;
    auto at = r.data_at + layout.octets_before;
    for (std::size_t i = 0; i < layout.names; ++i)
        if (at > end || !take_dns_name(message.first(end), at))
            return false;
    return at + layout.octets_behind == end;
}

bool is_query(const dns_header& h) noexcept { return (h.flags & (dns_qr | dns_opcode)) == 0; }
bool is_reply(const dns_header& h) noexcept { return (h.flags & (dns_qr | dns_opcode)) == dns_qr; }

} // namespace

bool same_question(const dns_question& a, const dns_question& b) noexcept
{
    return a.type == b.type && a.in_class == b.in_class && same_octets(folded(a.name), folded(b.name));
}

parsed<dns_record> take_dns_record(bytes_view message, std::size_t& at) noexcept
{
    dns_record r;
    r.owner = TAPIOCA_TRY(take_dns_name(message, at));
    reader in{message.subspan(at)};
    const auto tail = TAPIOCA_TRY(in.take<record_tail>());
    const auto data = in.take(tail.size);
    if (!data)
        return data.why();
    at += sizeof tail;
    r.type = tail.type;
    r.in_class = tail.in_class;
    r.ttl = tail.ttl;
    r.data_at = at;
    r.data_size = tail.size;
    at += r.data_size;
    if (!is_sound(message, r))
        return drop_reason::bad_option;
    return r;
}

parsed<dns_query> parse_dns_query(bytes_view message) noexcept
{
    reader in{message};
    const auto h = TAPIOCA_TRY(in.take<dns_header>());
    if (!is_query(h) || h.questions != 1 || h.answers != 0)
        return drop_reason::bad_type;
    dns_query q{.id = h.id, .wants_recursion = (h.flags & dns_rd) != 0, .question = {}, .client = {}};
    std::size_t at = sizeof h;
    q.question = TAPIOCA_TRY(take_question(message, at));
    for (unsigned i = 0; i < unsigned{h.authorities} + h.additionals; ++i) {
        const auto r = take_dns_record(message, at);
        if (!r)
            return r.why();
        if (r->type != dns_type::opt)
            continue;
        if (q.client.has_opt || r->owner.size != 1)
            return drop_reason::bad_option;
        q.client = {true, std::max(least_datagram, r->in_class), static_cast<octet>(r->ttl >> 16)};
    }
    return q;
}

parsed<dns_reply> parse_dns_reply(bytes_view message) noexcept
{
    reader in{message};
    const auto h = TAPIOCA_TRY(in.take<dns_header>());
    if (!is_reply(h) || h.questions != 1)
        return drop_reason::bad_type;
    dns_reply reply{.message = message,
                    .id = h.id,
                    .rcode = static_cast<wire::rcode>(h.more_flags & dns_rcode),
                    .truncated = (h.flags & dns_tc) != 0,
                    .question = {},
                    .records_at = 0,
                    .counts = {}};
    auto at = sizeof h;
    reply.question = TAPIOCA_TRY(take_question(message, at));
    reply.records_at = at;
    if (reply.truncated) // what there is of it is of no use
        return reply;
    reply.counts = {h.answers, h.authorities, h.additionals};
    for (unsigned i = 0; i < unsigned{h.answers} + h.authorities + h.additionals; ++i)
        if (const auto r = take_dns_record(message, at); !r)
            return r.why();
    return reply;
}

encoded_name target_of(const dns_reply& reply, const dns_record& record) noexcept
{
    auto at = record.data_at;
    const auto name = take_dns_name(reply.message, at);
    return name ? *name : encoded_name{};
}

} // namespace tapioca::wire
