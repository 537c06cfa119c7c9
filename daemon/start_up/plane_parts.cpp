#include "daemon/start_up/plane_parts.hpp"

#include "daemon/config/guest_plan.hpp"
#include "daemon/config/host_network.hpp"
#include "daemon/config/plane_plan.hpp"
#include "daemon/config/start_report.hpp"
#include "daemon/netns/enter.hpp"
#include "daemon/netns/interface.hpp"
#include "daemon/os/guest_memory.hpp"
#include "daemon/os/start_failure.hpp"
#include "daemon/os/stream_listener.hpp"
#include "daemon/report/log.hpp"
#include "daemon/tap/open_tap.hpp"

#include <chrono>
#include <iterator>
#include <stdexcept>
#include <tuple>

namespace tapioca {
namespace {

constexpr int most_automatic_sockets = 99;

/// Lines for the log, in order.
struct set_up_report {
    std::vector<std::string> notes, warnings;
};

template <class T>
void append(std::vector<T>& to, std::vector<T> more)
{
    to.insert(to.end(), std::move_iterator{more.begin()}, std::move_iterator{more.end()});
}

/// RFC 8415 section 11.2: seconds since the midnight that began the year 2000, UTC.
std::uint32_t duid_time()
{
    using namespace std::chrono;
    const auto since = system_clock::now() - sys_days{year{2000} / January / 1};
    return static_cast<std::uint32_t>(duration_cast<seconds>(since).count());
}

/// Opened before the host is read, so that no change is missed. Not worth a start that fails.
std::optional<host_watch> watch_host(const options& opts, set_up_report& report)
{
    if (opts.follow == follow_mode::none)
        return std::nullopt;
    using routes = os::network_events::routes;
    auto events = os::network_events::open(opts.egress.empty() ? routes::defaults_only : routes::all);
    auto tables = os::netlink_socket::open();
    if (events && tables)
        return host_watch{std::move(*events), std::move(*tables)};
    report.warnings.push_back("The host's network is not followed, couldn't open a netlink socket: " +
                              (events ? tables.error() : events.error()).message());
    return std::nullopt;
}

without_resolvers without_resolvers_of(const options& opts)
{
    return opts.follow == follow_mode::none ? without_resolvers::not_forwarded : without_resolvers::queries_fail;
}

struct host_and_guest {
    host_network host;
    guest_network guest;
};

host_and_guest read_host(const options& opts, set_up_report& report)
{
    host_network host = discover(opts);
    append(report.notes, std::exchange(host.notes, {}));
    append(report.warnings, std::exchange(host.warnings, {}));
    guest_network guest = plan_guest(opts, host, duid_time());
    append(report.warnings, resolver_warnings(opts, host, guest));
    return {std::move(host), std::move(guest)};
}

os::socket_diag open_diagnosis()
{
    auto opened = os::socket_diag::open();
    if (!opened)
        throw std::system_error(opened.error(), "Couldn't open a socket for the kernel's table of sockets");
    return std::move(*opened);
}

/// What is done inside the namespace.
configured_interface furnish(const options& opts, const interface_plan& plan, given_parts& given, plane_parts& parts,
                             set_up_report& report)
{
    bring_up_loopback();
    auto taken = given.before != nullptr ? given.before->take_listeners_of(rule_side::guest) : std::vector<listening_socket>{};
    auto opened = open_listeners({rule_side::guest, opts.guest_rules, false, &taken});
    append(report.warnings, std::move(opened.warnings));
    parts.resources.listeners = std::move(opened.sockets);
    parts.refused = std::move(opened.refused);
    if (scans(opts.host_rules) || scans(opts.guest_rules) || opts.rules_may_change())
        parts.guest_ports = open_diagnosis();
    if (opts.splice_only) {
        parts.resources.tap_queues.resize(opts.workers);
        return {};
    }
    if (given.client) {
        parts.resources.tap_queues.emplace_back(stream_descriptor{{}, std::move(given.client)});
        configured_interface elsewhere;
        elsewhere.mac = mac_address::broadcast();
        return elsewhere;
    }
    for (auto& queue : given.before != nullptr ? std::move(given.before->queues) : open_tap(plan.name, opts.workers))
        parts.resources.tap_queues.emplace_back(std::move(queue));
    if (parts.resources.tap_queues.size() < opts.workers)
        report.warnings.push_back("The interface " + plan.name + " was made with a single queue: --workers has no effect");
    return given.before != nullptr ? find_configured(plan.name) : configure_tap(plan, plan.name);
}

os::unique_fd listen_at_path(const std::string& path, int backlog = 0)
{
    auto fd = os::listen_stream(path, backlog);
    if (fd)
        return std::move(*fd);
    const int error = fd.error().value();
    if (error == EADDRINUSE)
        throw std::runtime_error("Socket path " + path +
                                 " already in use; somebody listens there, or it is no socket: choose another");
    throw os::start_failure("Couldn't bind UNIX domain socket " + path, error,
                            error == EACCES   ? os::name_of_user_and_remedy() + " may not write to the directory"
                            : error == ENOENT ? "the directory does not exist"
                                              : "");
}

/// The given name, or that of who served before, or the first that is free.
std::pair<os::unique_fd, std::string> listen_for_guests(const options& opts, migrate::predecessor* before)
{
    if (before != nullptr) {
        const auto& path = opts.socket_path.value_or(before->guest_path);
        if (auto there = before->listener_at(path))
            return {std::move(there), path};
    }
    if (opts.socket_path)
        return {listen_at_path(*opts.socket_path), *opts.socket_path};
    for (int i = 1; i <= most_automatic_sockets; ++i) {
        auto path = "/tmp/passt_" + std::to_string(i) + ".socket";
        if (auto fd = os::listen_stream(path))
            return {std::move(*fd), std::move(path)};
    }
    throw std::runtime_error(
        "Couldn't bind a UNIX domain socket as /tmp/passt_1.socket to /tmp/passt_99.socket: name one by --socket");
}

/// Makes and configures the tap in the target's namespace, listens there, and leaves it again. With a client there is no tap.
plane_parts set_up_namespace(const options& opts, const netns::target& target, given_parts& given, set_up_report& report)
{
    auto [host, guest] = read_host(opts, report);
    interface_plan plan = plan_interface(opts, host, guest);
    if (given.before != nullptr) {
        plan.name = given.before->interface;
        guest.duid_time = given.before->duid_time;
    }
    plane_parts parts;
    configured_interface interface;
    netns::enter(target.network.get(), [&] { interface = furnish(opts, plan, given, parts, report); });
    append(report.notes, std::move(interface.notes));
    append(report.warnings, std::move(interface.warnings));
    guest.ipv4 = guest.ipv4 && interface.ipv4;
    guest.ipv6 = guest.ipv6 && interface.ipv6;
    if (parts.guest_ports)
        parts.host_ports = open_diagnosis();
    parts.config = plan_plane(opts, host, guest, interface.mac, without_resolvers_of(opts));
    parts.config.guest_link_local = interface.link_local;
    if (given.before != nullptr)
        parts.config.secret = given.before->secret;
    append(report.notes,
           start_report(opts, host, guest, parts.config.address_map, opts.splice_only || opts.client ? "none" : plan.name));
    parts.start = {std::move(host), parts.config.net, parts.config.address_map};
    parts.interface = {interface.index, std::move(plan)};
    return parts;
}

/// Not worth a start that fails, unless the user has named it. `guest`: the path of the guest's socket; empty: there is none.
os::unique_fd listen_for_repair(const options& opts, const std::string& guest, migrate::predecessor* before,
                                set_up_report& report)
{
    if (!opts.repair || (guest.empty() && !opts.repair_path))
        return {};
    const auto path = opts.repair_path.value_or(guest + ".repair");
    try {
        auto listener = before != nullptr ? before->listener_at(path) : os::unique_fd{};
        if (!listener)
            listener = listen_at_path(path);
        report.notes.push_back("UNIX domain socket bound at " + path);
        return listener;
    } catch (const std::runtime_error& refused) {
        if (opts.repair_path)
            throw;
        report.warnings.push_back(std::string{"Connections cannot migrate: "} + refused.what());
    }
    return {};
}

/// Opens the socket that guests connect to, unless one is connected already.
plane_parts set_up_socket(const options& opts, given_parts& given, set_up_report& report)
{
    auto [host, guest] = read_host(opts, report);
    if (given.before != nullptr)
        guest.duid_time = given.before->duid_time;
    plane_parts parts;
    parts.config = plan_plane(opts, host, guest, mac_address::broadcast(), without_resolvers_of(opts));
    if (given.before != nullptr)
        parts.config.secret = given.before->secret;
    append(report.notes, start_report(opts, host, guest, parts.config.address_map, ""));
    parts.start = {std::move(host), parts.config.net, parts.config.address_map};
    stream_descriptor stream{{}, std::move(given.client)};
    auto& path = parts.link.path;
    if (!stream.client) {
        std::tie(stream.listener, path) = listen_for_guests(opts, given.before);
        append(report.notes, socket_report(path, opts.vhost_user));
    }
    if (!opts.vhost_user) {
        parts.resources.tap_queues.emplace_back(std::move(stream));
        return parts;
    }
    parts.repair_listener = listen_for_repair(opts, path, given.before, report);
    os::outlive_vanishing_memory();
    parts.resources.tap_queues.emplace_back(vhost_descriptor{std::move(stream)});
    while (parts.resources.tap_queues.size() < opts.workers)
        parts.resources.tap_queues.emplace_back(vhost_descriptor{});
    return parts;
}

/// Not worth a start that fails.
os::unique_fd listen_for_control(const options& opts, migrate::predecessor* before, set_up_report& report)
{
    if (!opts.control_path)
        return {};
    if (before != nullptr)
        if (auto there = before->listener_at(*opts.control_path))
            return there;
    try {
        return listen_at_path(*opts.control_path, os::waiting_clients);
    } catch (const std::runtime_error& refused) {
        report.warnings.push_back(std::string{"No control socket: "} + refused.what());
    }
    return {};
}

/// Completes it.
void describe_link(plane_parts& parts)
{
    using migrate::link_kind;
    auto& link = parts.link;
    link.control = parts.control.changing.get();
    link.configuration = parts.conf_listener.get();
    link.repair = parts.repair_listener.get();
    const auto listens = [&link](const stream_descriptor& sockets, link_kind kind) {
        if (!sockets.listener)
            return;
        link.kind = kind;
        link.descriptors = {sockets.listener.get()};
    };
    for (const auto& queue : parts.resources.tap_queues) {
        if (const auto* stream = std::get_if<stream_descriptor>(&queue))
            listens(*stream, link_kind::stream);
        if (const auto* vhost = std::get_if<vhost_descriptor>(&queue))
            listens(vhost->sockets, link_kind::vhost_user);
        if (const auto* tap = std::get_if<tun_descriptor>(&queue)) {
            link.kind = link_kind::tap;
            link.descriptors.push_back(tap->fd.get());
            link.vnet_header = tap->vnet_header;
            link.offload = tap->offload;
        }
    }
}

} // namespace

plane_parts set_up(const options& opts, const netns::target& target, given_parts given, uid_t owner)
{
    set_up_report lines;
    auto watch = watch_host(opts, lines);
    plane_parts parts =
        opts.mode == mode::pasta ? set_up_namespace(opts, target, given, lines) : set_up_socket(opts, given, lines);
    if (opts.conf_path && given.before != nullptr)
        parts.conf_listener = given.before->listener_at(*opts.conf_path);
    if (opts.conf_path && !parts.conf_listener)
        parts.conf_listener = listen_at_path(*opts.conf_path);
    parts.config.rules_may_change = opts.rules_may_change();
    parts.watch = std::move(watch);
    parts.control = {listen_for_control(opts, given.before, lines), owner, in_initial_user_namespace()};
    log::info(lines.notes);
    log::warning(lines.warnings);
    log::warning(given.on_host.warnings);
    append(parts.resources.listeners, std::move(given.on_host.sockets));
    append(parts.refused, std::move(given.on_host.refused));
    describe_link(parts);
    return parts;
}

} // namespace tapioca
