#include "daemon/migrate/predecessor.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/peer.hpp"
#include "daemon/report/log.hpp"
#include "daemon/tap/open_tap.hpp"
#include "proto/forward/rule_text.hpp"

#include <algorithm>
#include <stdexcept>

namespace tapioca::migrate {
namespace {

constexpr std::string_view call = R"({"method":"io.github.tapioca.Control.HandOver","upgrade":true})";
constexpr std::size_t longest_reply = 4096;

std::vector<int> slots_of(reader& from, std::size_t count, const forward_rules& ours)
{
    std::vector<int> slots(count, -1);
    for (auto& slot : slots) {
        const auto text = take_text(from);
        if (!text)
            throw std::runtime_error("its rules are cut off");
        const auto same = std::ranges::find_if(ours, [&](const forward_rule& r) { return text_of(r).view() == *text; });
        if (same != ours.end())
            slot = static_cast<int>(same - ours.begin());
    }
    return slots;
}

constexpr std::array<std::string_view, static_cast<std::size_t>(link_kind::count_)> link_words{
    "nobody", "a namespace", "a machine on a stream socket", "a machine by vhost-user"};

link_kind link_of(const options& opts) noexcept
{
    if (opts.mode == mode::pasta)
        return link_kind::tap;
    return opts.vhost_user ? link_kind::vhost_user : link_kind::stream;
}

} // namespace

predecessor::predecessor(const std::string& path, const options& opts) : path_(path)
{
    connect(path);
    ask();
    say(message_kind::hello, format_version);
    for (;;) {
        const auto m = demand();
        if (m.kind == message_kind::parts)
            take_parts(m.octets, opts);
        else if (m.kind == message_kind::listeners)
            take_listeners(m.octets);
        else if (m.kind == message_kind::parts_end && link_ != link_kind::none)
            break;
        else
            fail("its answers make no sense");
        passed_.clear();
        say(message_kind::acknowledged, static_cast<std::uint32_t>(m.kind));
    }
}

void predecessor::fail(const std::string& why) const { throw std::runtime_error("Couldn't take over " + path_ + ": " + why); }

void predecessor::connect(const std::string& path)
{
    auto connected = os::connect_to_own(path);
    if (!connected)
        fail(connected.error().value() == EACCES ? "the socket is not this user's" : connected.error().message());
    socket_ = std::move(*connected);
}

/// In the language of the control socket.
void predecessor::ask()
{
    const bytes_view text{reinterpret_cast<const octet*>(call.data()), call.size() + 1}; // with the NUL behind a literal
    if (!os::send_with_fds(socket_.get(), text, {}))
        fail("it can't be asked");
    std::string reply;
    for (octet next = 1; next != 0 && reply.size() < longest_reply;) {
        const auto n = os::receive_with_fds(socket_.get(), {&next, 1}, passed_, os::waiting::yes);
        if (!n || *n == 0)
            fail("it doesn't answer");
        if (next != 0)
            reply += static_cast<char>(next);
    }
    if (reply.find("\"error\"") != std::string::npos)
        fail("it refuses: " + reply);
}

std::optional<predecessor::message> predecessor::receive()
{
    std::array<octet, sizeof(message_header)> beginning;
    const auto whole = [this](bytes_span octets) {
        for (std::size_t done = 0; done < octets.size();) {
            const auto n = os::receive_with_fds(socket_.get(), octets.subspan(done), passed_, os::waiting::yes);
            if (!n)
                fail(n.error().value() == EAGAIN ? "it doesn't answer" : n.error().message());
            if (*n == 0)
                return false;
            done += *n;
        }
        return true;
    };
    if (!whole(beginning))
        return std::nullopt;
    reader from{beginning};
    const auto header = read_message(from);
    if (!header)
        fail("its answers make no sense");
    message m;
    m.kind = static_cast<message_kind>(static_cast<std::uint16_t>(header->kind));
    m.value = header->value;
    m.octets.resize(header->octets);
    if (!whole(m.octets))
        return std::nullopt;
    if (m.kind == message_kind::refused)
        fail(m.octets.empty() ? "it refuses" : std::string{m.octets.begin(), m.octets.end()});
    return m;
}

predecessor::message predecessor::demand()
{
    auto m = receive();
    if (!m)
        fail("it has ended");
    return std::move(*m);
}

void predecessor::say(message_kind kind, std::uint32_t value)
{
    const message_header header{static_cast<std::uint16_t>(kind), 0, value, 0};
    if (!os::send_with_fds(socket_.get(), octets_of(header), {}) && kind != message_kind::serves)
        fail("it doesn't listen");
}

void predecessor::take_parts(bytes_view octets, const options& opts)
{
    reader from{octets};
    const auto header = read_parts(from);
    if (!header)
        fail(header.why() == drop_reason::bad_version ? "its version of the exchange is unknown" : "its answers make no sense");
    check_link(*header, opts);
    if (link_ == link_kind::tap)
        take_queues(*header);
    secret = {header->secret0, header->secret1};
    duid_time = header->duid_time;
    slots_ = {slots_of(from, header->host_rules, opts.host_rules), slots_of(from, header->guest_rules, opts.guest_rules)};
    take_sockets(*header, from);
}

/// What of the link cannot change with its process.
void predecessor::check_link(const parts_header& parts, const options& opts)
{
    const std::size_t sockets = (parts.control != 0) + (parts.configuration != 0) + (parts.repair != 0);
    link_ = static_cast<link_kind>(parts.link);
    if (passed_.size() != descriptors_of_link(parts) + sockets || (parts.is_pasta != 0) != (link_ == link_kind::tap))
        fail("its descriptors are not what they are said to be");
    if (link_ != link_of(opts))
        fail("it serves " + std::string{link_words[parts.link]} + ", and that cannot change");
    if (link_ != link_kind::stream && parts.queues != opts.workers)
        fail("it has " + std::to_string(parts.queues) + " worker(s), and that cannot change: add --workers " +
             std::to_string(parts.queues));
}

void predecessor::take_queues(const parts_header& parts)
{
    for (std::size_t i = 0; i < parts.queues; ++i) {
        const auto name = interface_of(passed_[i].get());
        if (name.empty() || (!interface.empty() && name != interface))
            fail("its descriptors are not what they are said to be");
        interface = name;
        queues.push_back({std::move(passed_[i]),
                          parts.vnet_header != 0,
                          {.checksum = parts.checksum != 0, .tso = parts.tso != 0, .uso = parts.uso != 0}});
    }
}

void predecessor::take_sockets(const parts_header& parts, reader& from)
{
    const auto first = link_ == link_kind::tap ? descriptors_of_link(parts) : 0;
    for (auto& fd : std::span{passed_}.subspan(first)) {
        const auto path = take_text(from);
        if (!path || !os::listens_at(fd.get(), *path))
            fail("its descriptors are not what they are said to be");
        sockets_.push_back({std::string{*path}, std::move(fd)});
    }
    if (link_ != link_kind::tap)
        guest_path = sockets_.front().path;
}

void predecessor::take_listeners(bytes_view octets)
{
    reader from{octets};
    for (auto& fd : passed_) {
        const auto record = from.take<listener_record>();
        if (!record || record->side > 1)
            fail("its answers make no sense");
        const auto& slots = slots_[record->side];
        if (!os::is_bound_to(fd.get(), record->protocol, record->port))
            fail("its descriptors are not what they are said to be");
        if (record->rule < slots.size() && slots[record->rule] >= 0)
            listeners_.push_back({std::move(fd),
                                  {static_cast<rule_side>(record->side), static_cast<std::uint8_t>(slots[record->rule]),
                                   record->port, record->protocol}});
    }
}

std::vector<listening_socket> predecessor::take_listeners_of(rule_side side)
{
    std::vector<listening_socket> taken;
    for (auto& l : listeners_)
        if (l.name.side == side)
            taken.push_back(std::move(l));
    return taken;
}

os::unique_fd predecessor::listener_at(const std::string& path)
{
    const auto found = std::ranges::find(sockets_, path, &socket_at::path);
    return found == sockets_.end() ? os::unique_fd{} : std::move(found->fd);
}

void predecessor::take_place(worker_pool& workers, pid_t own_pid)
{
    workers.freeze();
    const auto begun = os::now();
    say(message_kind::move, static_cast<std::uint32_t>(own_pid));
    bool whole = false;
    while (auto m = receive()) {
        if (m->kind == message_kind::flows) {
            say(message_kind::acknowledged, static_cast<std::uint32_t>(m->kind));
        } else if (m->kind == message_kind::link) {
            restore_link(workers, m->value);
            say(message_kind::acknowledged, static_cast<std::uint32_t>(m->kind));
        } else if (m->kind == message_kind::state) {
            restore(workers, m->value);
            whole = true;
            say(message_kind::ready);
        } else if (m->kind == message_kind::yours && whole) {
            say(message_kind::serves);
            (void)receive(); // its end: what it had bound is free then
            break;
        } else {
            fail("its answers make no sense");
        }
    }
    if (!whole)
        log::warning("Who served " + path_ + " has ended before its connections were here: they are lost");
    passed_.clear();
    sockets_.clear(); // at paths that are not ours
    socket_.reset();
    workers.thaw();
    const auto stopped = std::chrono::duration_cast<std::chrono::microseconds>(os::now() - begun).count();
    log::info("Took the place of who served " + path_ + " in " + std::to_string(stopped) + " us, with " + std::to_string(taken_) +
              " connection(s), " + std::to_string(datagrams_.udp) + " UDP flow(s) and " + std::to_string(datagrams_.echo) +
              " ping(s)");
}

std::vector<octet> predecessor::read_sealed(const os::unique_fd& file, std::uint32_t octets) const
{
    if (!os::is_sealed(file.get()))
        fail("its state is not in a sealed file");
    std::vector<octet> state(octets);
    const auto n = os::read_memory(file.get(), state, 0);
    if (!n || *n != octets)
        fail("its state makes no sense");
    return state;
}

/// The first that comes once it has stopped. If it ends behind that, the guest is ours at least.
void predecessor::restore_link(worker_pool& workers, std::uint32_t octets)
{
    if (has_link_ || link_ == link_kind::tap || passed_.empty())
        fail("its answers make no sense");
    auto passed = std::exchange(passed_, {});
    const auto state = read_sealed(passed.front(), octets);
    const auto link = read_link(state);
    if (!link)
        fail(link.why() == drop_reason::bad_version ? "the version of its state is unknown" : "its state makes no sense");
    if (const auto why = workers.frozen_link().go_on(*link, std::span{passed}.subspan(1)); !why.empty())
        fail(std::string{why});
    has_link_ = true;
}

void predecessor::restore(worker_pool& workers, std::uint32_t octets)
{
    if (passed_.empty() || (link_ != link_kind::tap && !has_link_))
        fail("its answers make no sense");
    const auto file = std::move(passed_.back());
    passed_.pop_back();
    const auto state = read_sealed(file, octets);
    reader from{state};
    const auto header = read_state(from);
    if (!header)
        fail(header.why() == drop_reason::bad_version ? "the version of its state is unknown" : "its state makes no sense");
    if (header->tcp_flows > passed_.size())
        fail("its descriptors are not what they are said to be");
    workers.guest().learn_mac(header->guest_mac);
    for (const auto& address : {header->guest4, header->guest6, header->guest_link_local})
        if (!address.is_unspecified())
            workers.guest().learn_address(address);
    const auto now = os::now();
    const auto sockets = std::span{passed_};
    for (auto& socket : sockets.first(header->tcp_flows))
        if (!take_flow(from, socket, workers, now))
            fail("its state makes no sense");
    const auto rest = take_datagrams(from, sockets.subspan(header->tcp_flows), workers, slots_, now);
    if (!rest || !from.empty())
        fail("its state makes no sense");
    datagrams_ = *rest;
}

/// False: that is no state of ours. A flow that there is no room for ends, as it would have at any time.
bool predecessor::take_flow(reader& from, os::unique_fd& socket, worker_pool& workers, instant now)
{
    const auto prefix = from.take<flow_prefix>();
    auto state = prefix ? read_tcp_flow(from) : parsed<tcp_flow_state>{prefix.why()};
    if (!state || prefix->worker >= workers.size() || !os::figures_of_tcp(socket.get()))
        return false;
    const auto to_socket = from.take(std::size_t{state->to_socket}), to_guest = from.take(std::size_t{state->to_guest});
    if (!to_socket || !to_guest)
        return false;
    auto& rule = state->head.rule;
    const int slot = slot_in(slots_, state->head.from_peer() ? rule_side::host : rule_side::guest, rule);
    rule = slot < 0 ? flow_head::no_rule : static_cast<std::uint16_t>(slot);
    if (state->unanswered && rule == flow_head::no_rule)
        return true; // its rule is gone before the guest knew of it
    const bytes_view in[] = {*to_socket}, out[] = {*to_guest};
    const given_tcp given{*state, socket.get(), std::span{in}.first(!to_socket->empty()),
                          std::span{out}.first(!to_guest->empty())};
    if (workers.frozen_plane(prefix->worker).tcp().take(given, now)) {
        (void)socket.release();
        ++taken_;
    }
    return true;
}

} // namespace tapioca::migrate
