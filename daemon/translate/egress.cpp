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

void report_denial(context& ctx, const flow_key& key, const egress_verdict& verdict, instant now) noexcept
{
    report::worker_event event{.when = now, .kind = report::event_kind::egress_denied, .key = key};
    event.words = words_of(verdict.ground);
    ctx.report(event);
}

void tell_of_denial(context& ctx, const flow_key& key, guest_error about) noexcept
{
    about.cause = administratively_prohibited(key.guest.family());
    send_error(ctx, key, about);
}

} // namespace tapioca
