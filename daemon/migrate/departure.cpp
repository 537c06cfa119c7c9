#include "daemon/migrate/departure.hpp"

#include "daemon/migrate/append.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/os/state_pipe.hpp"
#include "daemon/os/tcp_repair.hpp"
#include "daemon/report/log.hpp"
#include "proto/migrate/stream.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

namespace tapioca {
namespace {

constexpr duration helper_patience = std::chrono::milliseconds{10}; ///< the guest waits meanwhile
constexpr duration retry = std::chrono::milliseconds{100};
constexpr int most_retries = 100; ///< with sockets that nobody gives back to us
/// A letter may bring another one, and that a third.
constexpr int rounds_of_mail = 3;

} // namespace

guest_departure::~guest_departure() { *alive_ = false; }

void guest_departure::begin(os::unique_fd into, std::function<void(bool)> then)
{
    into_ = std::move(into);
    then_ = std::move(then);
    if (!os::make_state_pipe(into_.get())) {
        log::error("Couldn't write the guest's state: neither a pipe nor a socket");
        return finish(false);
    }
    settle_down(rounds_of_mail);
}

void guest_departure::settle_down(int rounds)
{
    if (rounds != 0)
        return have_all_do<read_mail>(means_.workers, means_.loop, [this, alive = alive_, rounds] {
            if (*alive && then_)
                settle_down(rounds - 1);
        });
    frozen_ = true;
    have_all_do<freeze_plane>(means_.workers, means_.loop, [this, alive = alive_] {
        if (*alive && then_)
            collect();
    });
}

std::vector<int> guest_departure::sockets() const
{
    std::vector<int> fds;
    for (const auto& f : flows_)
        fds.push_back(f.flow.fd);
    return fds;
}

void guest_departure::collect()
{
    for (std::size_t i = 0; i < means_.workers.size(); ++i)
        for (auto& flow : means_.workers.frozen_plane(i).tcp().departing())
            if (os::turn_deaf(flow.fd))
                flows_.push_back({i, flow});
    repaired_ = true;
    means_.repair.set(sockets(), repair_mode::on, helper_patience, [this, alive = alive_](repair_channel::outcome how) {
        if (!*alive || !then_)
            return;
        if (how == repair_channel::outcome::refused) {
            log::error("Migration: passt-repair couldn't set TCP_REPAIR");
            return finish(false);
        }
        repaired_ = how == repair_channel::outcome::done;
        if (!repaired_)
            log::warning("Migration: without passt-repair no connection goes with the guest (" + std::to_string(flows_.size()) +
                         " have to be made again)");
        describe();
    });
}

void guest_departure::describe()
{
    using namespace migrate;
    const auto& guest = means_.workers.guest();
    const guest_seen seen{guest.v4(), guest.v6(), guest.link_local(), guest.mac()};
    const auto count = repaired_ ? flows_.size() : 0;
    append(buffer_, preface_octets, [&](writer& out) { put_preface(out, seen); });
    append(buffer_, sizeof(be32), [&](writer& out) { put_count(out, static_cast<std::uint32_t>(count)); });
    for (std::size_t i = 0; i < count; ++i) {
        auto& flow = flows_[i].flow;
        const auto own = os::local_endpoint(flow.fd);
        const auto peer = os::peer_endpoint(flow.fd);
        flow.record.own = own ? *own : endpoint{};
        flow.record.peer = peer ? *peer : endpoint{};
        append(buffer_, migrate::flow_octets, [&](writer& out) { put(out, flow.record); });
    }
    described_ = repaired_ ? 0 : flows_.size();
    if (!means_.loop.watch(into_.get(), readiness_for::writing, [this] { write(); }))
        return finish(false);
    write();
}

/// What waits for the peer in our own memory goes behind what waits in the socket, and what the guest has not acknowledged in
/// front of what it has not had.
void guest_departure::add_socket(const leaving& f)
{
    using namespace migrate;
    auto& tcp = means_.workers.frozen_plane(f.worker).tcp();
    auto taken = os::take_apart(f.flow.fd);
    if (!taken || taken->record.state == socket_state::absent) {
        ++failed_;
        return append(buffer_, socket_octets, [](writer& out) { put(out, socket_record{}); });
    }
    auto& r = taken->record;
    const auto in_socket = taken->send_queue.size();
    tcp.add_stored(f.flow.id, taken->send_queue);
    r.unsent += static_cast<std::uint32_t>(taken->send_queue.size() - in_socket);
    r.send_octets = static_cast<std::uint32_t>(taken->send_queue.size());
    std::vector<octet> for_guest;
    tcp.add_unacknowledged(f.flow.id, for_guest);
    r.receive_begin = r.receive_begin - static_cast<std::uint32_t>(for_guest.size());
    for_guest.insert(for_guest.end(), taken->receive_queue.begin(), taken->receive_queue.end());
    r.receive_octets = static_cast<std::uint32_t>(for_guest.size());
    append(buffer_, socket_octets, [&](writer& out) { put(out, r); });
    buffer_.insert(buffer_.end(), taken->send_queue.begin(), taken->send_queue.end());
    buffer_.insert(buffer_.end(), for_guest.begin(), for_guest.end());
}

void guest_departure::write()
{
    while (then_) {
        while (written_ < buffer_.size()) {
            const auto n = os::write_state(into_.get(), bytes_view{buffer_}.subspan(written_));
            if (!n && n.error().value() == EAGAIN)
                return;
            if (!n)
                return finish(false);
            written_ += *n;
        }
        buffer_.clear();
        written_ = 0;
        if (described_ == flows_.size())
            return finish(true);
        add_socket(flows_[described_++]);
    }
}

void guest_departure::abandon()
{
    if (then_)
        finish(false);
}

void guest_departure::finish(bool done)
{
    means_.loop.forget(into_.get());
    into_.reset();
    buffer_ = {};
    if (done && failed_ != 0)
        log::warning("Migration: connections that couldn't be read: " + std::to_string(failed_));
    std::exchange(then_, nullptr)(done);
}

void guest_departure::complete()
{
    have_all_do<end_handshakes>(means_.workers, means_.loop, [] {});
}

/// Whoever set it may have gone: sockets stay in repair mode until another one comes.
void guest_departure::repair_off(int tries, std::function<void(bool)> then)
{
    means_.repair.set(repaired_ ? sockets() : std::vector<int>{}, repair_mode::off, retry,
                      [this, alive = alive_, tries, next = std::move(then)](repair_channel::outcome how) mutable {
                          if (!*alive)
                              return;
                          if (how == repair_channel::outcome::done || tries == 0)
                              return next(how == repair_channel::outcome::done);
                          means_.loop.call_in(retry, [this, alive, tries, again = std::move(next)]() mutable {
                              if (*alive)
                                  repair_off(tries - 1, std::move(again));
                          });
                      });
}

void guest_departure::resume(std::function<void()> then)
{
    repair_off(most_retries, [this, next = std::move(then)](bool done) mutable {
        if (!done) {
            log::error("Migration: nobody ends TCP_REPAIR, connections are lost: " + std::to_string(flows_.size()));
            return forget(std::move(next));
        }
        for (const auto& f : flows_)
            os::hear(f.flow.fd);
        flows_.clear();
        have_all_do<thaw_plane>(means_.workers, means_.loop, std::move(next), thaw_plane::connections::stay);
    });
}

void guest_departure::drop(std::function<void()> then)
{
    flows_.clear();
    have_all_do<forget_departed>(means_.workers, means_.loop, std::move(then));
}

void guest_departure::forget(std::function<void()> then)
{
    flows_.clear();
    have_all_do<thaw_plane>(means_.workers, means_.loop, std::move(then), thaw_plane::connections::have_left);
}

} // namespace tapioca
