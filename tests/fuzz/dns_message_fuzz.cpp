// The first octet says what follows. A query: whatever answer is made for it parses, has its id and question, and fits. An
// answer: its records lie inside it, and written anew for a client they are the same.
#include "proto/wire/dns_answer.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;
using namespace tapioca::wire;

namespace {

void check_reply(const dns_query& q, bytes_view made)
{
    const auto reply = parse_dns_reply(made);
    FUZZ_CHECK(reply && reply->id == q.id && same_question(reply->question, q.question));
    FUZZ_CHECK(same_octets(reply->question.name, q.question.name));
}

void check_query(bytes_view message)
{
    const auto q = parse_dns_query(message);
    if (!q)
        return;
    FUZZ_CHECK(q->client.most_octets >= 512);
    std::array<octet, longest_dns_query> own;
    const auto length = make_dns_query(7, q->question, own);
    const auto again = parse_dns_query(bytes_view{own}.first(length));
    FUZZ_CHECK(again && same_question(again->question, q->question) && again->client.has_opt);
    std::array<octet, 512> room;
    for (const std::size_t most : {room.size(), std::size_t{40}})
        for (const auto size : {make_denial(*q, rcode::name_error, bytes_span{room}.first(most)),
                                make_version_refusal(*q, bytes_span{room}.first(most)),
                                make_truncated(*q, rcode::no_error, bytes_span{room}.first(most))})
            FUZZ_CHECK(size <= most);
    check_reply(*q, bytes_view{room}.first(make_denial(*q, rcode::name_error, room)));
    check_reply(*q, bytes_view{room}.first(make_truncated(*q, rcode::no_error, room)));
    if (const auto text = text_of(q->question.name))
        FUZZ_CHECK(text->view().find('\0') == std::string_view::npos && text->view().size() + 2 == q->question.name.size);
}

struct seen_record {
    dns_section section;
    encoded_name owner;
    std::uint16_t type;
    std::uint32_t ttl;
};

std::vector<seen_record> records_of(const dns_reply& reply)
{
    std::vector<seen_record> all;
    each_record(reply, [&](const dns_record& r, dns_section section) {
        FUZZ_CHECK(r.data_at + r.data_size <= reply.message.size());
        if (section != dns_section::additional)
            all.push_back({section, folded(r.owner), r.type, r.ttl});
        return true;
    });
    return all;
}

void check_answer(bytes_view message)
{
    const auto reply = parse_dns_reply(message);
    if (!reply)
        return;
    dns_query q;
    q.id = 77;
    q.question = reply->question;
    q.client.has_opt = true;
    std::vector<octet> room(65535);
    dns_answer answer{q, reply->rcode, room};
    each_record(*reply, [&](const dns_record& r, dns_section section) {
        if (section != dns_section::additional)
            answer.add(*reply, r, section);
        return true;
    });
    const auto size = answer.finish(extended_error::blocked);
    if (size == 0)
        return;
    const auto again = parse_dns_reply(bytes_view{room}.first(size));
    FUZZ_CHECK(again && again->id == 77 && same_question(again->question, reply->question));
    const auto before = records_of(*reply), after = records_of(*again);
    FUZZ_CHECK(before.size() == after.size());
    for (std::size_t i = 0; i < before.size(); ++i)
        FUZZ_CHECK(before[i].section == after[i].section && same_octets(before[i].owner, after[i].owner) &&
                   before[i].type == after[i].type && before[i].ttl == after[i].ttl);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0)
        return 0;
    const bytes_view message{data + 1, size - 1};
    (data[0] & 1) != 0 ? check_answer(message) : check_query(message);
    return 0;
}
