#include "daemon/names/name_answers.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/report/log.hpp"

#include <algorithm>

namespace tapioca {
namespace {

using fate = question_verdict::fate;
using wire::extended_error;

void tell_of_denial(const question_verdict& v, egress_mode mode)
{
    if (mode == egress_mode::audit)
        return log::limited(log::severity::info, "The egress policy would deny the name " + std::string{v.name.view()});
    log::limited(log::severity::debug, "The egress policy denies the name " + std::string{v.name.view()});
}

void tell_of_answer(const answer_judge& judged, const question_verdict& v)
{
    if (const auto alias = judged.denied_alias().view(); !alias.empty())
        log::limited(log::severity::info, "The egress policy denies the name " + std::string{alias} + ", which " +
                                              std::string{v.name.view()} + " is an alias of");
    if (judged.taken_out() != 0)
        log::limited(log::severity::info, "Addresses of " + std::string{v.name.view()} + " that are not public were left out");
}

} // namespace

std::shared_ptr<const egress_policy> name_answers::policy() const
{
    static const auto open = std::make_shared<const egress_policy>();
    const auto& now = means_.network().egress;
    return now ? now : open;
}

void name_answers::take(bytes_view query, transport by, answered answer)
{
    const auto parsed = wire::parse_dns_query(query);
    if (!parsed) {
        const auto code = parsed.why() == drop_reason::bad_type ? wire::rcode::not_implemented : wire::rcode::format_error;
        return answer(bytes_view{room_}.first(wire::make_header_only(query, code, room_)));
    }
    waiting w{*parsed, by, std::move(answer)};
    const auto in_force = policy();
    const auto verdict = judge_question(*in_force, w.query.question);
    if (w.query.client.version != 0)
        return send(w, wire::rcode::no_error, [&](bytes_span into) { return wire::make_version_refusal(w.query, into); });
    if (verdict.denied)
        tell_of_denial(verdict, in_force->mode);
    switch (verdict.what) {
    case fate::refuse:
        return send(w, wire::rcode::refused, [&](bytes_span into) {
            return wire::make_empty_answer(w.query, wire::rcode::refused, extended_error::none, into);
        });
    case fate::deny:
    case fate::no_data: {
        const auto code = verdict.what == fate::deny ? wire::rcode::name_error : wire::rcode::no_error;
        return send(w, code, [&](bytes_span into) { return wire::make_denial(w.query, code, into); });
    }
    case fate::ask:
        return ask(std::move(w));
    }
}

void name_answers::ask(waiting w)
{
    const auto shared = std::make_shared<waiting>(std::move(w));
    const auto then = [this, shared](const wire::dns_reply* reply) { on_reply(*shared, reply); };
    if (!means_.resolvers.ask(shared->query.question, then))
        on_reply(*shared, nullptr);
}

/// What a resolver has said, which is judged by the policy that is in force by now.
void name_answers::on_reply(const waiting& w, const wire::dns_reply* reply)
{
    const auto fail = [&](extended_error why) {
        send(w, wire::rcode::server_failure,
             [&](bytes_span into) { return wire::make_empty_answer(w.query, wire::rcode::server_failure, why, into); });
    };
    if (reply == nullptr)
        return fail(extended_error::no_reachable_peer);
    static const host_places nowhere;
    const auto in_force = policy();
    const auto& places = means_.network().places;
    const auto verdict = judge_question(*in_force, w.query.question);
    if (verdict.what != fate::ask)
        return send(w, wire::rcode::name_error,
                    [&](bytes_span into) { return wire::make_denial(w.query, wire::rcode::name_error, into); });
    const answer_judge judged{*in_force, places ? *places : nowhere, w.query, *reply};
    tell_of_answer(judged, verdict);
    const bool is_denied = judged.denied_alias().size != 0 && in_force->mode == egress_mode::enforce;
    if (!is_denied && !means_.pins.pin(*in_force, verdict.name.view(), judged.addresses(), os::now())) {
        means_.on_pinned();
        return fail(extended_error::none);
    }
    means_.on_pinned();
    send(w, reply->rcode, [&](bytes_span into) { return judged.write(into); });
}

void name_answers::send(const waiting& w, wire::rcode rcode, const std::function<std::size_t(bytes_span)>& make)
{
    const std::size_t datagram = std::min<std::size_t>(w.query.client.most_octets, wire::usual_dns_message);
    const auto into = bytes_span{room_}.first(w.by == transport::datagram ? datagram : room_.size());
    auto size = make(into);
    if (size == 0)
        size = wire::make_truncated(w.query, rcode, into);
    w.answer(into.first(size));
}

} // namespace tapioca
