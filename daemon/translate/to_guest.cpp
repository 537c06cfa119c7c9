#include "daemon/translate/to_guest.hpp"

#include "proto/forward/address_mapping.hpp"
#include "proto/frame/fragment.hpp"
#include "proto/icmp/path_mtu.hpp"
#include "proto/udp/segment_run.hpp"
#include "proto/wire/icmp.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/udp.hpp"

#include <algorithm>

namespace tapioca {

using report::counter;

namespace {

std::size_t ip_header_of(const flow_key& key) noexcept
{
    return key.guest.is_v4() ? sizeof(wire::ipv4_header) : sizeof(wire::ipv6_header);
}

/// The upper header is complete. `payload` is written over from tap_headroom in front of it to its end, as each fragment's
/// headers take the place of octets that have gone out before. Whether the back-end took all of them.
bool send_fragments(context& ctx, const flow_key& key, bytes_view upper_header, bytes_span payload,
                    std::uint32_t identification) noexcept
{
    static_assert(tap_headroom >= sizeof(wire::virtio_net_header) + 14 + 40 + 8 + sizeof(wire::icmp_header)); // as long as UDP's
    outgoing_datagram d;
    const auto link = ctx.link_to(key.guest);
    d.our_mac = link.ours;
    d.guest_mac = link.guest;
    d.source = key.remote;
    d.destination = key.guest;
    d.protocol = key.protocol;
    d.identification = identification;
    d.upper_header = upper_header;
    d.payload_length = payload.size();
    fragmenter split{d, mtu_towards(ctx, key.guest)};
    bool all = true;
    while (const auto part = split.next()) {
        octet* at = payload.data() + part->offset;
        std::memcpy(at - part->headers.size(), part->headers.data(), part->headers.size());
        all = ctx.tap.send({}, at, part->headers.size(), part->length) && all;
    }
    return all;
}

} // namespace

std::size_t mtu_towards(const context& ctx, const ip_address& guest) noexcept
{
    return ctx.guest.paths.mtu_of(guest, ctx.config->net.mtu == 0 ? 1500 : ctx.config->net.mtu);
}

void send_udp(context& ctx, const flow_key& key, octet* payload, std::size_t octets, std::size_t segment) noexcept
{
    const auto datagrams = datagrams_in(octets, segment);
    const auto identification = ctx.guest.datagrams.take(key, datagrams);
    if (datagrams == 1 && ip_header_of(key) + sizeof(wire::udp_header) + octets > mtu_towards(ctx, key.guest)) {
        const auto header = wire::make_udp({key.remote, key.remote_port}, {key.guest, key.guest_port}, {payload, octets});
        if (send_fragments(ctx, key, octets_of(header), {payload, octets}, identification)) {
            ctx.counters.add(counter::udp_to_guest);
            ctx.counters.add(counter::udp_fragmented);
        }
        return;
    }
    const udp_emission e{.payload = static_cast<std::uint32_t>(octets),
                         .segment = static_cast<std::uint16_t>(segment),
                         .identification = static_cast<std::uint16_t>(identification)};
    wire::virtio_net_header vnet;
    const auto headers = emit_udp(payload, ctx.link_to(key.guest), key, e, vnet);
    if (ctx.tap.send(vnet, payload, headers, octets))
        ctx.counters.add(counter::udp_to_guest, datagrams);
}

void send_icmp(context& ctx, const flow_key& key, bytes_span message) noexcept
{
    const auto identification = ctx.guest.datagrams.take(key);
    if (ip_header_of(key) + message.size() > mtu_towards(ctx, key.guest)) {
        const auto header = message.first(sizeof(wire::icmp_header));
        (void)send_fragments(ctx, key, header, message.subspan(header.size()), identification);
        return;
    }
    const ip_emission ip{.protocol = key.protocol, .identification = static_cast<std::uint16_t>(identification)};
    const auto headers = emit_ip(message.data(), ctx.link(), key.remote, key.guest, ip, message.size());
    ctx.tap.send({}, message.data(), headers, message.size());
}

namespace {

/// This program, as the guest knows it. In IPv6 that is a link-local address, from which a router behind the guest hands nothing
/// on (RFC 4291 section 2.5.6): whoever has a wider one, and may be behind it, hears it from where the packet was to go.
ip_address ourselves(const context& ctx, const flow_key& key) noexcept
{
    if (!key.guest.is_v4() && !key.guest.is_link_local() && !key.remote.is_link_local() && !key.remote.is_multicast())
        return key.remote;
    const auto& ours = key.guest.is_v4() ? ctx.config->address_map.our_tap4 : ctx.config->address_map.our_tap6_ll;
    return ours.is_unspecified() ? key.remote : ours;
}

} // namespace

path_mtu_notices::saying path_mtu_notices::next(instant now) noexcept
{
    const auto seconds = static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count());
    if (last_ != 0 && seconds - last_ < 2) // up to a second
        return saying::nothing;
    const bool first = last_ == 0 || seconds - last_ >= 60; // systems forget what they learned, too
    last_ = std::max(seconds, 1U);
    return first ? saying::notice : saying::error;
}

void send_too_big(context& ctx, const flow_key& key, path_mtu_notices::saying what, std::uint32_t mtu,
                  const guest_error& about) noexcept
{
    if (what == path_mtu_notices::saying::nothing)
        return;
    if (what == path_mtu_notices::saying::error) {
        auto error = about;
        error.cause = too_big(key.guest.family(), mtu);
        return send_error(ctx, key, error);
    }
    const auto from = ourselves(ctx, key);
    const auto slot = ctx.tap.acquire();
    const auto length = path_mtu_message({from, key.guest, key.remote, mtu}, slot);
    const auto protocol = key.guest.is_v4() ? wire::protocol_icmp : wire::protocol_icmpv6;
    const auto headers = emit_ip(slot.data(), ctx.link(), from, key.guest, {.protocol = protocol}, length);
    if (ctx.tap.commit({}, headers, length))
        ctx.counters.add(counter::icmp_errors_to_guest);
}

void send_error(context& ctx, const flow_key& key, const guest_error& error) noexcept
{
    const auto link = ctx.link();
    icmp_error_request r{.our_mac = link.ours, .guest_mac = link.guest};
    r.offender = error.offender.is_unspecified() ? ourselves(ctx, key) : error.offender;
    r.cause = error.cause;
    r.protocol = key.protocol;
    r.guest = {key.guest, key.guest_port};
    r.remote = {key.remote, key.remote_port};
    r.sequence = error.sequence;
    r.ttl = error.ttl;
    r.tos = error.tos;
    r.payload = error.payload;
    r.payload_length = error.payload_length;
    const auto slot = ctx.tap.acquire();
    if (const auto size = icmp_error(r, slot); size != 0 && ctx.tap.commit({}, 0, size))
        ctx.counters.add(counter::icmp_errors_to_guest);
}

namespace {

std::optional<icmp_cause> cause_of(int error, ip_family family) noexcept
{
    const bool v4 = family == ip_family::ipv4;
    switch (error) {
    case ENETUNREACH:
        return v4 ? icmp_cause{3, 0, 0} : icmp_cause{1, 0, 0};
    case EHOSTUNREACH:
        return host_unreachable(family);
    case EACCES:
    case EPERM:
        return v4 ? icmp_cause{3, 13, 0} : icmp_cause{1, 1, 0}; // communication administratively prohibited
    default:
        return std::nullopt;
    }
}

} // namespace

bool report_failure(context& ctx, const flow_key& key, int error, const guest_error& about) noexcept
{
    const auto cause = cause_of(error, key.guest.family());
    if (!cause)
        return false;
    auto e = about;
    e.cause = *cause;
    send_error(ctx, key, e);
    return true;
}

bool relay_error(context& ctx, const flow_key& key, const os::queued_error& entry, const ip_address& peer,
                 const guest_error& about) noexcept
{
    const auto offender =
        entry.offender == peer ? key.remote : reporting_node(ctx.config->address_map, entry.offender, key.guest);
    if (!offender) {
        ctx.counters.drop(drop_reason::no_translation);
        return false;
    }
    auto e = about;
    e.cause = {entry.type, entry.code, entry.info};
    e.offender = *offender;
    send_error(ctx, key, e);
    return true;
}

} // namespace tapioca
