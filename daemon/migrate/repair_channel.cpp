#include "daemon/migrate/repair_channel.hpp"

#include "daemon/os/socket.hpp"
#include "daemon/os/stream_listener.hpp"
#include "daemon/os/tcp_repair.hpp"
#include "daemon/report/log.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace tapioca {
namespace {

constexpr duration answer_patience = std::chrono::seconds{5};

} // namespace

void repair_channel::start(reactor& loop)
{
    loop_ = &loop;
    if (listener_)
        (void)loop.watch(listener_.get(), readiness_for::reading, [this] { accept(); });
}

void repair_channel::accept()
{
    auto client = os::accept_stream(listener_.get());
    if (!client)
        return;
    log::info("Accepted TCP_REPAIR helper, PID " + std::to_string(client->pid));
    if (helper_)
        loop_->forget(helper_.get());
    helper_ = std::move(client->fd);
    largest_batch_ = os::most_repaired;
    if (!loop_->watch(helper_.get(), readiness_for::reading, [this] { take_answer(); }))
        return helper_failed();
    if (then_)
        begin();
}

void repair_channel::set(std::vector<int> sockets, repair_mode mode, duration patience, std::function<void(outcome)> then)
{
    sockets_ = std::move(sockets);
    mode_ = mode;
    then_ = std::move(then);
    ++number_;
    begun_ = false;
    if (sockets_.empty())
        return end(outcome::done);
    if (helper_)
        return begin();
    loop_->call_in(patience, [this, asked = number_] {
        if (then_ && asked == number_ && !begun_)
            end(outcome::nobody);
    });
}

void repair_channel::begin()
{
    begun_ = true;
    send_batch();
}

/// Batches are as equal as they can be: the smallest is the largest of all that follow.
void repair_channel::send_batch()
{
    const auto batches = (sockets_.size() + largest_batch_ - 1) / largest_batch_;
    batch_ = largest_batch_ = sockets_.size() / batches;
    const auto sent = os::send_with_sockets(helper_.get(), static_cast<octet>(mode_), std::span{sockets_}.first(batch_));
    if (!sent)
        return helper_failed();
    loop_->call_in(answer_patience, [this, asked = number_, left = sockets_.size()] {
        if (then_ && asked == number_ && left == sockets_.size())
            helper_failed();
    });
}

void repair_channel::take_answer()
{
    octet answer = 0;
    const auto n = os::receive(helper_.get(), {&answer, 1});
    if (!n && n.error().value() == EAGAIN)
        return;
    if (!n || *n == 0 || !then_ || answer != static_cast<octet>(mode_))
        return helper_failed();
    sockets_.erase(sockets_.begin(), sockets_.begin() + static_cast<std::ptrdiff_t>(batch_));
    if (sockets_.empty())
        return end(outcome::done);
    send_batch();
}

void repair_channel::helper_failed()
{
    loop_->forget(helper_.get());
    helper_.reset();
    if (then_ && begun_)
        end(outcome::refused);
}

void repair_channel::end(outcome how)
{
    sockets_.clear();
    std::exchange(then_, nullptr)(how);
}

} // namespace tapioca
