#include "daemon/migrate/arrival.hpp"

#include "daemon/os/socket.hpp"
#include "daemon/os/state_pipe.hpp"
#include "daemon/os/tcp_repair.hpp"
#include "daemon/report/log.hpp"
#include "proto/base/ip_text.hpp"
#include "proto/forward/opening.hpp"
#include "proto/migrate/tcp_state.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

namespace tapioca {
namespace {

using migrate::event;
using migrate::stream_decoder;

constexpr duration helper_patience = std::chrono::milliseconds{100};
constexpr std::size_t octets_at_once = std::size_t{1} << 18;
constexpr int reads_at_once = 16;

} // namespace

guest_arrival::guest_arrival(migration_means means)
    : means_(means), decoder_(static_cast<std::uint32_t>(tcp_translator::most_flows)), read_(octets_at_once)
{
}

guest_arrival::~guest_arrival() { *alive_ = false; }

void guest_arrival::begin(os::unique_fd from, std::function<void(bool)> then)
{
    from_ = std::move(from);
    then_ = std::move(then);
    if (!os::make_state_pipe(from_.get())) {
        log::error("Couldn't read the guest's state: neither a pipe nor a socket");
        return finish(false);
    }
    watch();
}

void guest_arrival::watch()
{
    if (!means_.loop.watch(from_.get(), readiness_for::reading, [this] { read(); }))
        finish(false);
}

void guest_arrival::read()
{
    for (int i = 0; i < reads_at_once && then_ && !pauses_; ++i) {
        read_.resize(octets_at_once);
        const auto n = os::read_state(from_.get(), read_);
        if (!n && n.error().value() == EAGAIN)
            return;
        if (!n)
            return finish(false);
        read_.resize(*n);
        if (*n == 0) {
            if (decoder_.is_complete())
                return come_alive();
            log::error("Migration: the guest's state ends before it is complete");
            return finish(false);
        }
        if (!take(read_))
            return finish(false);
    }
}

/// What is left while sockets are being made is kept. False: it is no state.
bool guest_arrival::take(bytes_view octets)
{
    while (then_) {
        if (pauses_) {
            read_ = std::vector<octet>(octets.begin(), octets.end());
            return true;
        }
        const auto what = decoder_.next(octets);
        if (what == stream_decoder::item::nothing)
            return true;
        if (what == stream_decoder::item::refused) {
            log::error("Migration: the guest's state is refused, " +
                       std::string{migrate::refusal_words[static_cast<std::size_t>(decoder_.why())]});
            return false;
        }
        take_item(what);
    }
    return true;
}

void guest_arrival::take_item(stream_decoder::item what)
{
    using item = stream_decoder::item;
    switch (what) {
    case item::guest: {
        const auto& seen = decoder_.guest();
        auto& guest = means_.workers.guest();
        (void)guest.learn_mac(seen.mac);
        for (const auto& address : {seen.v4, seen.v6, seen.link_local})
            guest.learn_address(address);
        return;
    }
    case item::count:
        return;
    case item::flow:
        flows_.emplace_back();
        if (const auto& f = decoder_.flow()) {
            flows_.back().record = *f;
            flows_.back().makes_sense = true;
        }
        if (flows_.size() == decoder_.count())
            make_sockets();
        return;
    case item::socket:
        send_queue_.clear();
        receive_queue_.clear();
        return;
    case item::send_octets:
    case item::receive_octets: {
        auto& queue = what == item::send_octets ? send_queue_ : receive_queue_;
        queue.insert(queue.end(), decoder_.octets().begin(), decoder_.octets().end());
        return;
    }
    case item::flow_end:
        restore();
        ++at_;
        return;
    case item::nothing:
    case item::refused:
        break;
    }
}

/// One for each connection, all in repair mode. Without a helper none can be restored.
void guest_arrival::make_sockets()
{
    std::vector<int> fds;
    for (auto& f : flows_) {
        if (!f.makes_sense)
            continue;
        if (auto fd = os::tcp_socket(f.record.peer.address.family())) {
            fds.push_back(fd->get());
            f.fd = std::move(*fd);
        } else {
            f.why = "no socket could be had";
        }
    }
    if (fds.empty())
        return;
    pauses_ = true;
    means_.loop.forget(from_.get());
    means_.repair.set(std::move(fds), repair_mode::on, helper_patience, [this, alive = alive_](repair_channel::outcome how) {
        if (!*alive || !then_)
            return;
        pauses_ = false;
        if (how != repair_channel::outcome::done) {
            log::warning("Migration: without passt-repair the guest comes without its connections");
            for (auto& f : flows_) {
                f.fd.reset();
                f.why = "there is no passt-repair";
            }
        }
        const auto left = std::move(read_);
        if (!take(left))
            return finish(false);
        if (then_ && !pauses_)
            watch();
    });
}

/// All of the connection has been read.
void guest_arrival::restore()
{
    auto& f = flows_[at_];
    const auto socket = decoder_.socket() ? migrate::exact(f.record, *decoder_.socket()) : std::nullopt;
    if (!socket)
        f.why = "its socket could not be read";
    if (!socket || !f.fd)
        return f.fd.reset();
    const auto& config = means_.workers.config();
    const auto path = path_to(config, f.record.peer.address);
    if (!path.interface.empty())
        (void)os::bind_to_device(f.fd.get(), path.interface);
    const auto have = os::put_together(f.fd.get(), f.record.own, f.record.peer, path.scope, *socket, send_queue_, receive_queue_);
    if (!have) {
        log::debug("Migration: couldn't restore a connection to " + std::string{text_of(f.record.peer.address).view()} + ": " +
                   have.error().message());
        f.why = "its socket could not be restored";
        return f.fd.reset();
    }
    f.socket = *socket;
    f.is_restored = true;
    f.unsent.assign(send_queue_.begin() + static_cast<std::ptrdiff_t>(*have), send_queue_.end());
}

/// The stream is complete: whatever was restored may speak.
void guest_arrival::come_alive()
{
    means_.loop.forget(from_.get());
    from_.reset();
    std::vector<int> fds;
    for (const auto& f : flows_)
        if (f.is_restored)
            fds.push_back(f.fd.get());
    means_.repair.set(std::move(fds), repair_mode::off, helper_patience, [this, alive = alive_](repair_channel::outcome how) {
        if (!*alive || !then_)
            return;
        if (how == repair_channel::outcome::done)
            return settle();
        log::error("Migration: passt-repair couldn't clear TCP_REPAIR");
        finish(false);
    });
}

void guest_arrival::settle()
{
    const auto task = std::make_shared<settle_arrivals>();
    for (auto& f : flows_) {
        if (!f.is_restored) {
            if (f.makes_sense)
                refused_.push_back(f.record);
            continue;
        }
        std::size_t sent = 0;
        while (sent < f.unsent.size()) {
            const auto n = os::send(f.fd.get(), bytes_view{f.unsent}.subspan(sent));
            if (!n)
                break;
            sent += *n;
        }
        f.unsent.erase(f.unsent.begin(), f.unsent.begin() + static_cast<std::ptrdiff_t>(sent));
        if (f.socket.peer_has_finished())
            os::shutdown_read(f.fd.get());
        task->arrivals.push_back({.record = f.record,
                                  .fd = std::move(f.fd),
                                  .left_behind = std::move(f.unsent),
                                  .finishes = f.record.has(event::guest_finished)});
    }
    flows_.clear();
    means_.workers.ask(0, task);
    call_when_done(means_.loop, {task}, [this, alive = alive_, task] {
        if (!*alive || !then_)
            return;
        settled_ = task->settled;
        finish(true);
    });
}

void guest_arrival::abandon()
{
    if (then_)
        finish(false);
}

/// Sockets in repair mode are closed in silence.
void guest_arrival::finish(bool done)
{
    if (from_)
        means_.loop.forget(from_.get());
    from_.reset();
    flows_.clear();
    read_ = send_queue_ = receive_queue_ = {};
    std::exchange(then_, nullptr)(done);
}

void guest_arrival::complete()
{
    if (refused_.empty())
        return;
    const auto task = std::make_shared<refuse_arrivals>();
    task->refused = std::move(refused_);
    means_.workers.ask(0, task);
}

} // namespace tapioca
