// What an egress policy asks of connections: its rate holds up octets in both directions, which wait in the store and in the
// socket; and with tls = "sni" what the guest says first is held until it has named the server.

#include "daemon/translate/egress.hpp"
#include "daemon/translate/tcp_translator.hpp"
#include "proto/wire/tls_client_hello.hpp"

namespace tapioca {
namespace {

const char* words_of(wire::client_hello_kind kind) noexcept
{
    switch (kind) {
    case wire::client_hello_kind::not_tls:
        return "as it does not begin with the ClientHello that tls = \"sni\" needs";
    case wire::client_hello_kind::unnamed:
        return "as its ClientHello has no server name";
    case wire::client_hello_kind::encrypted:
        return "as its ClientHello is encrypted";
    case wire::client_hello_kind::named:
        return "as no rule leads there by the server name in its ClientHello";
    case wire::client_hello_kind::incomplete:
        break;
    }
    return nullptr;
}

} // namespace

/// Each flow that is ready has its share, in turns, while the rate lets octets pass; then all of them wait.
void tcp_translator::run_metered(instant now) noexcept
{
    ready_.run(
        flows_, [&] { return ctx_.tap.accepts_data() && ctx_.metering.is_open(now); },
        [&](tcp_flow& f) { (void)pump_metered(f, now); });
    if (!ctx_.metering.is_open(now))
        paced_until_ = ctx_.metering.opens_at();
}

/// Both directions of a flow have their share.
flow_alive tcp_translator::pump_metered(tcp_flow& f, instant now) noexcept
{
    if (f.store.length() != 0 && drain(f, now) == flow_alive::no)
        return flow_alive::no;
    const auto share = static_cast<std::ptrdiff_t>(ctx_.metering.share_of_flow());
    auto left = share;
    const auto alive = pump(f, left, now);
    ctx_.metering.charge(static_cast<std::size_t>(share - left), now);
    return alive;
}

void tcp_translator::hold_for_server_name(tcp_flow& f, const outbound_opening& opening) noexcept
{
    const auto* egress = ctx_.config->egress.get();
    f.store.held = egress != nullptr && needs_server_name(*egress, f.key.protocol, opening.to, opening.verdict);
}

/// Whether what the guest has said so far names a server to which a rule leads. If it never will, the flow ends with its timer:
/// the caller goes on with it.
bool tcp_translator::may_go_on(tcp_flow& f, instant now) noexcept
{
    if (f.store.refused)
        return false;
    const auto* egress = ctx_.config->egress.get();
    if (egress == nullptr || !egress->tls_names) {
        f.store.held = false;
        return true;
    }
    std::array<bytes_view, wire::longest_client_hello / tcp::receive_store::chunk_octets + 2> pieces;
    const auto count = store_.gather(f.store, pieces, wire::longest_client_hello + 1);
    const auto hello = wire::find_client_hello(std::span{pieces}.first(count));
    if (hello.kind == wire::client_hello_kind::incomplete)
        return false;
    const auto to = outbound_destination(ctx_.config->address_map, f.key.protocol, {f.key.remote, f.key.remote_port});
    const bool leads_there = hello.kind == wire::client_hello_kind::named && is_pinned(*egress, f.key.protocol, to, hello.name());
    f.store.held = f.store.refused = !leads_there && !passes_unnamed(f, to, words_of(hello.kind), now);
    if (f.store.refused)
        wheel_.arm(flows_.slot_of(f), now);
    return !f.store.held;
}

/// Tells that a connection has not begun with the name of its server. Whether it goes on all the same: in the mode `audit`, if it
/// could be recorded.
bool tcp_translator::passes_unnamed(const tcp_flow& f, const endpoint& to, const char* why, instant now) noexcept
{
    const bool enforced = ctx_.config->egress->mode == egress_mode::enforce;
    const outbound_opening judged{
        .to = to, .verdict = {.says = egress_action::deny, .passes = !enforced, .ground = egress_ground::server_name}};
    const bool recorded = audit_without_flow(ctx_, report::audit_event::misnamed, flow_kind::tcp, f.key, judged, now);
    report_denial(ctx_, f.key, why, now);
    ctx_.counters.add(report::counter::tls_names_denied);
    if (enforced || !recorded)
        ctx_.counters.drop(enforced ? drop_reason::egress_denied : drop_reason::audit_full);
    return !enforced && recorded;
}

} // namespace tapioca
