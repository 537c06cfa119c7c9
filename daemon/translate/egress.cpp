#include "daemon/translate/egress.hpp"

namespace tapioca {
namespace {

const char* words_of(egress_ground ground) noexcept
{
    switch (ground) {
    case egress_ground::rule:
    case egress_ground::name:
        return "by a rule";
    case egress_ground::profile:
        return "by the profile, as no rule allows it";
    case egress_ground::around_names:
        return "as rules with names need queries that can be read";
    case egress_ground::nobody:
    case egress_ground::resolver:
        break;
    }
    return nullptr;
}

} // namespace

void report_denial(context& ctx, flow_kind kind, const flow_key& key, const outbound_opening& opening, instant now) noexcept
{
    (void)audit_without_flow(ctx, report::audit_event::refused, kind, key, opening, now); // it is refused in any case
    report::worker_event event{.when = now, .kind = report::event_kind::egress_denied, .key = key};
    event.words = words_of(opening.verdict.ground);
    ctx.report(event);
}

bool audit_without_flow(context& ctx, report::audit_event what, flow_kind kind, const flow_key& key,
                        const outbound_opening& opening, instant now) noexcept
{
    if (ctx.audit == nullptr)
        return true;
    report::audit_record record{.what = what, .when = now, .to = opening.to, .verdict = opening.verdict};
    record.head.key = key;
    record.head.kind = kind;
    record.policy = ctx.config->egress.get();
    return ctx.audit->note(record);
}

void tell_of_denial(context& ctx, const flow_key& key, guest_error about) noexcept
{
    about.cause = administratively_prohibited(key.guest.family());
    send_error(ctx, key, about);
}

} // namespace tapioca
