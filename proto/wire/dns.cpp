#include "proto/wire/dns.hpp"

#include "proto/wire/domain_name.hpp"

#include <algorithm>

namespace tapioca::wire {
namespace {

constexpr std::size_t type_and_class = 4;
static_assert(longest_server_failure == sizeof(dns_header) + longest_encoded_name + type_and_class);

/// The octets of the question at the front.
parsed<bytes_view> question_of(bytes_view octets) noexcept
{
    reader in{octets};
    std::size_t name = 0;
    for (;;) {
        const octet label = TAPIOCA_TRY(in.take<octet>());
        if (label > longest_label)
            return drop_reason::bad_option;
        name += 1U + label;
        if (name > longest_encoded_name)
            return drop_reason::bad_length;
        if (label == 0)
            break;
        if (const auto text = in.take(label); !text)
            return text.why();
    }
    if (const auto rest = in.take(type_and_class); !rest)
        return rest.why();
    return octets.first(name + type_and_class);
}

/// Length octets are below the letters, so that all octets are treated alike.
constexpr octet folded_case(octet o) noexcept { return o >= 'A' && o <= 'Z' ? static_cast<octet>(o + ('a' - 'A')) : o; }

} // namespace

parsed<dns_message> parse_dns(bytes_view payload) noexcept
{
    reader in{payload};
    const auto h = TAPIOCA_TRY(in.take<dns_header>());
    dns_message m{.id = h.id,
                  .answers = (h.flags & dns_qr) != 0,
                  .rcode = static_cast<wire::rcode>(h.more_flags & dns_rcode),
                  .question = {}};
    if (h.questions != 0)
        m.question = TAPIOCA_TRY(question_of(in.rest()));
    return m;
}

bool may_answer(const dns_message& answer, const dns_message& query) noexcept
{
    if (!answer.answers || query.answers || answer.id != query.id)
        return false;
    return answer.question.empty() ||
           std::equal(answer.question.begin(), answer.question.end(), query.question.begin(), query.question.end(),
                      [](octet a, octet b) { return folded_case(a) == folded_case(b); });
}

std::size_t make_server_failure(bytes_view query, const dns_message& parsed, bytes_span into) noexcept
{
    const auto asked = *reader{query}.take<dns_header>();
    dns_header h{};
    h.id = parsed.id;
    h.flags = static_cast<octet>(dns_qr | (asked.flags & (dns_opcode | dns_rd)));
    h.more_flags = static_cast<octet>(dns_ra | static_cast<octet>(rcode::server_failure));
    h.questions = parsed.question.empty() ? 0 : 1;
    h.answers = h.authorities = h.additionals = 0;
    writer out{into};
    out.put(h);
    out.put(parsed.question);
    return out.full() ? 0 : out.size();
}

} // namespace tapioca::wire
