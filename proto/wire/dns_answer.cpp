#include "proto/wire/dns_answer.hpp"

#include <algorithm>

namespace tapioca::wire {
namespace {

constexpr std::uint16_t pointer = 0xc000;
constexpr std::size_t furthest_pointer = 0x3fff;
constexpr std::uint16_t extended_error_option = 15; ///< RFC 8914 section 2
constexpr std::string_view blocked_text = "egress policy";

struct question_tail {
    be16 type, in_class;
};
struct record_tail {
    be16 type, in_class;
    be32 ttl;
    be16 size;
};
struct opt_record { ///< RFC 6891 section 6.1.2
    octet root;
    be16 type, datagram;
    octet extended_rcode, version;
    be16 flags, size;
};
static_assert(sizeof(opt_record) == 11 && wire_header<opt_record>);
struct error_option {
    be16 code, size, info;
};
struct soa_tail {
    be32 serial, refresh, retry, expire, minimum;
};
static_assert(sizeof(soa_tail) == 20 && wire_header<soa_tail>);

/// "tapioca.invalid.", which nobody can ever have (RFC 6761 section 6.4): the server that an authority of ours names.
constexpr std::array<octet, 17> own_name = {7, 't', 'a', 'p', 'i', 'o', 'c', 'a', 7, 'i', 'n', 'v', 'a', 'l', 'i', 'd', 0};

constexpr opt_record own_opt(octet extended_rcode, std::uint16_t size) noexcept
{
    return {0, dns_type::opt, static_cast<std::uint16_t>(usual_dns_message), extended_rcode, 0, std::uint16_t{0}, size};
}

} // namespace

std::size_t make_dns_query(std::uint16_t id, const dns_question& question, std::span<octet, longest_dns_query> into) noexcept
{
    dns_header h{};
    h.id = id;
    h.flags = dns_rd;
    h.questions = 1;
    h.answers = h.authorities = 0;
    h.additionals = 1;
    writer out{into};
    out.put(h);
    out.put(folded(question.name).view());
    out.put(question_tail{question.type, question.in_class});
    out.put(own_opt(0, 0));
    return out.size();
}

dns_answer::dns_answer(const dns_query& to, wire::rcode rcode, bytes_span into) noexcept : asked_(to), out_(into)
{
    header_.id = to.id;
    header_.flags = static_cast<octet>(dns_qr | (to.wants_recursion ? dns_rd : 0));
    header_.more_flags = static_cast<octet>(dns_ra | static_cast<octet>(rcode));
    header_.questions = 1;
    out_.put(header_);
    known_.push_back({folded(to.question.name), static_cast<std::uint16_t>(out_.size())});
    out_.put(to.question.name.view());
    out_.put(question_tail{to.question.type, to.question.in_class});
}

void dns_answer::put_name(const encoded_name& name) noexcept
{
    const auto lower = folded(name);
    const auto same = std::find_if(known_.begin(), known_.end(), [&](const known_name& k) { return same_octets(k.name, lower); });
    if (same != known_.end())
        return out_.put(be16{static_cast<std::uint16_t>(pointer | same->at)});
    if (name.size > 2 && out_.size() <= furthest_pointer)
        (void)known_.push_back({lower, static_cast<std::uint16_t>(out_.size())});
    out_.put(name.view());
}

void dns_answer::put_data(const dns_reply& from, const dns_record& record) noexcept
{
    const auto layout = layout_of(record);
    const auto end = record.data_at + record.data_size;
    if (layout.names == 0)
        return out_.put(from.message.subspan(record.data_at, record.data_size));
    out_.put(from.message.subspan(record.data_at, layout.octets_before));
    auto at = record.data_at + layout.octets_before;
    for (std::size_t i = 0; i < layout.names; ++i) {
        const auto name = take_dns_name(from.message, at);
        if (!name)
            return;
        record.type == dns_type::srv ? out_.put(name->view()) : put_name(*name); // RFC 2782 forbids pointers
    }
    out_.put(from.message.subspan(end - layout.octets_behind, layout.octets_behind));
}

void dns_answer::add(const dns_reply& from, const dns_record& record, dns_section section) noexcept
{
    put_name(record.owner);
    const auto tail = out_.skip(sizeof(record_tail));
    const auto begins = out_.size();
    put_data(from, record);
    if (out_.full())
        return;
    const record_tail filled{record.type, record.in_class, record.ttl, static_cast<std::uint16_t>(out_.size() - begins)};
    writer{tail}.put(filled);
    ++counts_[section == dns_section::answer ? 0 : 1];
}

void dns_answer::add_own_authority() noexcept
{
    // The zone is the one around the name: all but its first label.
    const auto& name = asked_.question.name;
    const std::size_t first = name.size > 1 ? 1U + name.octets[0] : 0;
    out_.put(be16{static_cast<std::uint16_t>(pointer | (sizeof(dns_header) + first))});
    const std::uint16_t size = own_name.size() + 1 + sizeof(soa_tail);
    out_.put(record_tail{dns_type::soa, dns_class_in, denial_ttl, size});
    out_.put(own_name);
    out_.put(octet{0});
    out_.put(soa_tail{1U, 3600U, 600U, 86400U, denial_ttl});
    ++counts_[1];
}

void dns_answer::put_opt(extended_error why) noexcept
{
    if (why == extended_error::none)
        return out_.put(own_opt(0, 0));
    const auto text = why == extended_error::blocked ? blocked_text : std::string_view{};
    const auto size = static_cast<std::uint16_t>(sizeof(std::uint16_t) + text.size());
    out_.put(own_opt(0, static_cast<std::uint16_t>(sizeof(error_option) + text.size())));
    out_.put(error_option{extended_error_option, size, static_cast<std::uint16_t>(why)});
    out_.put(bytes_view{reinterpret_cast<const octet*>(text.data()), text.size()});
}

std::size_t dns_answer::finish(extended_error why) noexcept
{
    if (asked_.client.has_opt)
        put_opt(why);
    if (out_.full())
        return 0;
    header_.answers = counts_[0];
    header_.authorities = counts_[1];
    header_.additionals = asked_.client.has_opt ? 1 : 0;
    writer{out_.written()}.put(header_);
    return out_.size();
}

std::size_t make_denial(const dns_query& to, wire::rcode rcode, bytes_span into) noexcept
{
    dns_answer answer{to, rcode, into};
    answer.add_own_authority();
    return answer.finish(extended_error::blocked);
}

std::size_t make_empty_answer(const dns_query& to, wire::rcode rcode, extended_error why, bytes_span into) noexcept
{
    return dns_answer{to, rcode, into}.finish(why);
}

std::size_t make_version_refusal(const dns_query& to, bytes_span into) noexcept
{
    const auto size = make_empty_answer(to, rcode::no_error, extended_error::none, into);
    if (size != 0)
        writer{into.subspan(size - sizeof(opt_record))}.put(own_opt(1, 0)); // BADVERS is 16: RFC 6891 section 9
    return size;
}

std::size_t make_header_only(bytes_view query, wire::rcode rcode, bytes_span into) noexcept
{
    const auto asked = reader{query}.take<dns_header>();
    if (!asked || (asked->flags & dns_qr) != 0)
        return 0;
    dns_header h{};
    h.id = asked->id;
    h.flags = static_cast<octet>(dns_qr | (asked->flags & (dns_opcode | dns_rd)));
    h.more_flags = static_cast<octet>(dns_ra | static_cast<octet>(rcode));
    h.questions = h.answers = h.authorities = h.additionals = 0;
    writer out{into};
    out.put(h);
    return out.full() ? 0 : out.size();
}

std::size_t make_truncated(const dns_query& to, wire::rcode rcode, bytes_span into) noexcept
{
    const auto size = make_empty_answer(to, rcode, extended_error::none, into);
    if (size != 0)
        into[offsetof(dns_header, flags)] |= dns_tc;
    return size;
}

} // namespace tapioca::wire
