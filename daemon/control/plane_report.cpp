#include "daemon/control/plane_report.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/report/log.hpp"
#include "proto/wire/protocol.hpp"

#include <cstring>

namespace tapioca::report {
namespace {

std::string endpoint_text(const ip_address& address, std::uint16_t port)
{
    return '[' + to_text(address) + "]:" + std::to_string(port);
}

std::string flow_text(const flow_key& key)
{
    const char* protocol = key.protocol == wire::protocol_tcp ? "TCP" : key.protocol == wire::protocol_udp ? "UDP" : "echo";
    return std::string{protocol} + ' ' + endpoint_text(key.guest, key.guest_port) + " -> " +
           endpoint_text(key.remote, key.remote_port);
}

/// " (12 octets from the guest, 345 to it, in 1.500 s)"; empty if the octets are not known.
std::string carried_text(const worker_event& event)
{
    if (!event.octets)
        return {};
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(event.lasted).count();
    const auto fraction = std::to_string(1000 + ms % 1000).substr(1);
    return " (" + std::to_string(event.octets->from_guest) + " octets from the guest, " + std::to_string(event.octets->to_guest) +
           " to it, in " + std::to_string(ms / 1000) + '.' + fraction + " s)";
}

log::severity severity_of(event_kind kind)
{
    if (is_routine(kind))
        return log::severity::debug;
    if (kind == event_kind::packet_from_guest)
        return log::severity::trace;
    switch (kind) {
    case event_kind::guest_mac_learned:
    case event_kind::client_accepted:
    case event_kind::client_refused:
    case event_kind::client_gone:
        return log::severity::info;
    case event_kind::client_misunderstood:
        return log::severity::error;
    default:
        return log::severity::warning;
    }
}

const char* words_of(event_kind kind)
{
    switch (kind) {
    case event_kind::flow_opened:
        return "Flow opened: ";
    case event_kind::flow_closed:
        return "Flow closed: ";
    case event_kind::connect_failed:
        return "Couldn't connect: ";
    case event_kind::socket_failed:
        return "Couldn't open flow specific socket: ";
    case event_kind::ping_refused:
        return "Ping sockets are refused, try: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\": ";
    case event_kind::flow_quarantined:
        return "Flow reset, as its state makes no sense: ";
    case event_kind::guest_mac_learned:
        return "New guest MAC address observed";
    case event_kind::flow_table_full:
        return "No room for another flow: ";
    case event_kind::egress_denied:
        return "Denied by the egress policy: ";
    case event_kind::tap_failed:
        return "Couldn't use the tap device";
    case event_kind::listener_failed:
        return "Couldn't watch a listening socket, whose port is closed again";
    case event_kind::client_accepted:
        return "accepted connection from PID ";
    case event_kind::client_refused:
        return "discarding connection from PID ";
    case event_kind::client_misunderstood:
        return "Bad frame size from guest, resetting connection";
    case event_kind::client_gone:
        return "Client connection closed";
    case event_kind::vhost_request_refused:
        return "vhost-user: refused request ";
    case event_kind::vhost_misunderstood:
        return "vhost-user: closing the connection, the front-end sent ";
    case event_kind::vhost_ring_broken:
        return "vhost-user: closing the connection, the guest's driver broke ring ";
    case event_kind::vhost_legacy:
        return "virtio legacy devices aren't supported by passt";
    case event_kind::packet_from_guest:
        return "From the guest: ";
    case event_kind::count_:
        break;
    }
    return "";
}

} // namespace

const char* words_of(end_reason why)
{
    switch (why) {
    case end_reason::finished:
        return "both sides have ended it";
    case end_reason::idle:
        return "nothing was said for long enough";
    case end_reason::reset_by_guest:
        return "reset by the guest";
    case end_reason::reset_by_peer:
        return "reset by the peer";
    case end_reason::refused_by_guest:
        return "refused by the guest";
    case end_reason::connect_failed:
        return "no connection could be made";
    case end_reason::guest_silent:
        return "the guest does not answer";
    case end_reason::peer_silent:
        return "the peer takes nothing";
    case end_reason::displaced:
        return "made room for a newer one";
    case end_reason::replaced:
        return "the peer uses its port again";
    case end_reason::socket_failed:
        return "it has no socket";
    case end_reason::quarantined:
        return "its state makes no sense";
    case end_reason::on_request:
        return "ended on request";
    case end_reason::address_gone:
        return "its address is gone";
    case end_reason::egress_denied:
        return "denied by the egress policy";
    case end_reason::egress_limit:
        return "the quota of the egress policy is used up";
    case end_reason::migrated:
        return "migrated with the guest";
    case end_reason::count_:
        break;
    }
    return "";
}

std::string to_text(const worker_event& event)
{
    std::string text = words_of(event.kind);
    if (event.key.protocol != 0)
        text += flow_text(event.key);
    if (event.accepted_at.port != 0)
        text += ", accepted at " + endpoint_text(event.accepted_at.address, event.accepted_at.port);
    if (event.kind == event_kind::flow_closed)
        return text + ": " + words_of(event.why) + carried_text(event);
    const bool is_number = event.kind == event_kind::vhost_request_refused || event.kind == event_kind::vhost_ring_broken ||
                           event.kind == event_kind::client_accepted || event.kind == event_kind::client_refused;
    if (is_number)
        text += std::to_string(event.error);
    if (event.words != nullptr)
        text += (is_number ? ": " : event.kind == event_kind::egress_denied ? ", " : "") + std::string{event.words};
    if (is_number)
        return text;
    if (event.error != 0)
        text += std::string{": "} + std::strerror(event.error);
    return text;
}

void log_event(const worker_event& event)
{
    const auto severity = severity_of(event.kind);
    if (!log::enabled(severity))
        return;
    if (severity == log::severity::warning)
        log::limited(severity, to_text(event));
    else
        log::write(severity, to_text(event));
}

std::string counter_name(end_reason why) { return "flow_end_" + std::string{end_reason_names[static_cast<std::size_t>(why)]}; }

std::string counter_name(drop_reason why)
{
    const std::string name{drop_reason_names[index(why)]};
    if (why == drop_reason::fragment_held)
        return name;
    return (is_ordinary(why) ? "ignored_" : "drop_") + name;
}

void log_counters(const worker_pool& workers)
{
    const auto print = [&](std::string_view name, auto value_of) {
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < workers.size(); ++i)
            total += value_of(workers.counters_of(i));
        if (total == 0)
            return;
        log::answer("counter " + std::string{name} + ' ' + std::to_string(total));
        for (std::size_t i = 0; workers.size() > 1 && i < workers.size(); ++i)
            log::answer("worker " + std::to_string(i) + ' ' + std::string{name} + ' ' +
                        std::to_string(value_of(workers.counters_of(i))));
    };
    for (std::size_t c = 0; c < counter_count; ++c)
        print(counter_names[c], [&](const counters& from) { return from.value(static_cast<counter>(c)); });
    for (std::size_t r = 0; r < end_reason_count; ++r)
        print(counter_name(static_cast<end_reason>(r)),
              [&](const counters& from) { return from.ended(static_cast<end_reason>(r)); });
    for (std::size_t r = 0; r < drop_reason_count; ++r)
        print(counter_name(static_cast<drop_reason>(r)),
              [&](const counters& from) { return from.dropped(static_cast<drop_reason>(r)); });
}

event_counts events_of(const worker_pool& workers)
{
    event_counts totals{};
    for (std::size_t i = 0; i < workers.size(); ++i)
        for (std::size_t s = 0; s < source_count; ++s)
            totals[s] += workers.counters_of(i).events(static_cast<source>(s));
    return totals;
}

} // namespace tapioca::report
