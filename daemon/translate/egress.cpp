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
    case egress_ground::around_tls:
        return "as QUIC hides the server name that tls = \"sni\" needs";
    case egress_ground::server_name:
    case egress_ground::count_:
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
    const bool by_rule = opening.verdict.ground == egress_ground::rule || opening.verdict.ground == egress_ground::name;
    report::worker_event event{.when = now, .kind = report::event_kind::egress_denied, .key = key};
    event.words = words_of(opening.verdict.ground);
    event.policy = by_rule ? ctx.config->egress.get() : nullptr;
    event.policy_rule = opening.verdict.rule;
    ctx.report(event);
}

void report_denial(context& ctx, const flow_key& key, const char* why, instant now) noexcept
{
    report::worker_event event{.when = now, .kind = report::event_kind::egress_denied, .key = key};
    event.words = why;
    ctx.report(event);
}

void report_limit(context& ctx, const flow_key& key, outbound_opening opening, instant now) noexcept
{
    opening.verdict.passes = false;
    (void)audit_without_flow(ctx, report::audit_event::refused, kind_over_tap(key.protocol), key, opening, now,
                             drop_reason::egress_limit);
    report_denial(ctx, key, "beyond its limit of connections, or its quota", now);
}

bool audit_without_flow(context& ctx, report::audit_event what, flow_kind kind, const flow_key& key,
                        const outbound_opening& opening, instant now, drop_reason refused) noexcept
{
    if (ctx.audit == nullptr)
        return true;
    report::audit_record record{.what = what, .refused = refused, .when = now, .to = opening.to, .verdict = opening.verdict};
    record.head.key = key;
    record.head.kind = kind;
    record.policy = ctx.config->egress.get();
    return ctx.audit->note(record);
}

/// A connection to another resolver than ours may be older than the rules for names.
egress_verdict verdict_on(const context& ctx, const flow_view& f) noexcept
{
    const auto& config = *ctx.config;
    if (config.egress == nullptr || f.head.from_peer())
        return {};
    if (!crosses_tap(f.head.kind))
        return judge(*config.egress, *config.places, f.head.key.protocol, f.peer, any_time);
    const auto opening = decide_outbound(config, f.head.key, any_time);
    if (!opening || !config.egress->takes_query(f.head.key.protocol, {f.head.key.remote, f.head.key.remote_port}))
        return opening ? opening->verdict : egress_verdict{};
    auto asked = f.peer;
    if (f.head.kind == flow_kind::tcp)
        if (const auto peer = os::peer_endpoint(f.tcp_socket))
            asked = *peer;
    if (asked == opening->to)
        return opening->verdict;
    return {
        .says = egress_action::deny, .passes = config.egress->mode == egress_mode::audit, .ground = egress_ground::around_names};
}

void tell_of_denial(context& ctx, const flow_key& key, guest_error about) noexcept
{
    about.cause = administratively_prohibited(key.guest.family());
    send_error(ctx, key, about);
}

} // namespace tapioca
