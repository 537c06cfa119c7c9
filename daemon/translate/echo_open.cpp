// Flows of echo requests: their sockets, and who makes room for a newer one.

#include "daemon/translate/echo_translator.hpp"
#include "daemon/translate/egress.hpp"
#include "daemon/translate/resolvers.hpp"

#include <cerrno>

namespace tapioca {

using report::counter;

namespace {

/// What a send fails with when the address or the interface that the socket is bound to is gone.
bool may_be_unbound(int error) noexcept
{
    return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH || error == ENODEV || error == ENXIO;
}

} // namespace

echo_flow* echo_translator::open_or_answer(const flow_key& key, const packet& p, instant now) noexcept
{
    const auto opening = destination_of(ctx_, key, now);
    if (!opening) {
        ctx_.counters.drop(opening.why());
        if (is_denial(opening.why()))
            tell_of_denial(ctx_, key, about(p));
        return nullptr;
    }
    if (!opening->to.address.is_loopback())
        return open(key, *opening, p, now);
    if (!audit_without_flow(ctx_, report::audit_event::answered, flow_kind::echo, key, *opening, now)) {
        ctx_.counters.drop(drop_reason::audit_full);
        return nullptr;
    }
    ctx_.counters.add(counter::echo_from_guest);
    answer_for_host(key, p.l4);
    return nullptr;
}

echo_flow* echo_translator::open(const flow_key& key, const outbound_opening& leads, const packet& p, instant now) noexcept
{
    if (flows_.size() == flows_.capacity() || ctx_.is_full(flow_kind::echo))
        (void)displace(now);
    auto* f = open_flow(flow_head{.key = key}, key, leads, now);
    if (f == nullptr)
        return nullptr;
    auto made = make_socket(*f);
    if (!made && os::is_exhausted(made.error()) && displace(now))
        made = make_socket(*f);
    if (made)
        return f;
    const int error = made.error().value();
    ctx_.counters.drop(drop_reason::socket_failed);
    if (f->fd < 0 && (error == EACCES || error == EPERM)) { // not in ping_group_range
        if (!std::exchange(refusal_reported_, true))
            ctx_.report(report::event_kind::ping_refused, now, key, error);
    } else {
        ctx_.report(report::event_kind::socket_failed, now, key, error);
        report_failure(ctx_, key, error, about(p));
    }
    (void)close(*f, end_reason::socket_failed, now);
    return nullptr;
}

/// False if there is none to go.
bool echo_translator::displace(instant now) noexcept
{
    const auto& from = answered_.size() != 0 ? answered_ : waiting_;
    auto* oldest = from.size() == 0 ? nullptr : flows_.at_slot(from.oldest());
    if (oldest == nullptr)
        return false;
    ctx_.counters.add(counter::echo_flows_displaced);
    (void)close(*oldest, end_reason::displaced, now);
    return true;
}

os::result<void> echo_translator::make_socket(echo_flow& f) noexcept
{
    const auto family = f.key.guest.family();
    auto fd = os::ping_socket(family);
    if (!fd)
        return fd.error();
    f.fd = fd->release();
    f.ttl = f.tos = 0;
    f.fragments_known = false;
    (void)os::set_receive_errors(f.fd, family, true);
    if (const auto bound = bind(f); !bound)
        return bound;
    return ctx_.poller.add(f.fd, token_of(source::echo_flow, flows_.id_of(f).value), os::trigger::edge_input);
}

os::result<void> echo_translator::bind(const echo_flow& f) noexcept
{
    const auto family = f.key.guest.family();
    auto [from, interface, scope] = path_to(*ctx_.config, peer_of(f.key));
    if (!interface.empty())
        if (const auto bound = os::bind_to_device(f.fd, interface); !bound)
            return bound;
    const bool chosen = !from.is_unspecified();
    if (!chosen && family == ip_family::ipv4)
        from = ip_address::v4(0);
    if (os::bind(f.fd, {from, f.key.guest_port}))
        return {};
    return os::bind(f.fd, {from, 0}); // an identifier in use becomes another; an address must be ours
}

/// Where the user chose address or interface, the socket is bound to what the host has had: by now it may have it again, or
/// another of that name. At most once a second.
bool echo_translator::replace_socket(echo_flow& f, int error, instant now) noexcept
{
    const auto path = path_to(*ctx_.config, peer_of(f.key));
    const bool bound = !path.from.is_unspecified() || !path.interface.empty();
    if (!bound || !may_be_unbound(error) || (f.replaced != instant{} && now - f.replaced < std::chrono::seconds{1}))
        return false;
    f.replaced = now;
    os::close(std::exchange(f.fd, -1));
    if (make_socket(f))
        return true;
    if (f.fd >= 0)
        os::close(std::exchange(f.fd, -1));
    return false;
}

/// A message went one way or the other.
void echo_translator::note(echo_flow& f, bool answered, instant now) noexcept
{
    if (f.quiet != 0)
        (f.answered ? answered_ : waiting_).remove(f.quiet);
    f.answered = answered;
    f.quiet = (answered ? answered_ : waiting_).add(flows_.slot_of(f));
    f.last = now;
}

flow_alive echo_translator::close(echo_flow& f, end_reason why, instant now) noexcept
{
    if (f.quiet != 0)
        (f.answered ? answered_ : waiting_).remove(f.quiet);
    if (f.fd >= 0)
        os::close(f.fd);
    return erase_flow(f, why, now, f.octets);
}

} // namespace tapioca
