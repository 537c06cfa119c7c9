#include "daemon/names/stream_clients.hpp"

#include "daemon/os/clock.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr duration without_descriptors = std::chrono::seconds{1};
constexpr duration between_looks = std::chrono::seconds{5};
constexpr std::size_t most_accepted = 8; ///< in a turn
constexpr std::size_t length_octets = 2; ///< in front of each message (RFC 1035 section 4.2.2)

} // namespace

void stream_clients::start(reactor& loop, const std::vector<int>& listening)
{
    loop_ = &loop;
    for (const int fd : listening)
        listen(fd);
}

void stream_clients::listen(int fd)
{
    (void)loop_->watch(fd, readiness_for::reading, [this, fd] { on_connection(fd); });
}

void stream_clients::on_connection(int listener)
{
    for (std::size_t i = 0; i < most_accepted; ++i) {
        auto accepted = os::accept(listener);
        if (!accepted) {
            if (os::is_exhausted(accepted.error())) { // it stays readable
                loop_->forget(listener);
                loop_->call_in(without_descriptors, [this, listener] { listen(listener); });
            }
            return;
        }
        if (clients_.size() >= most_clients && !make_room())
            continue;
        const auto n = ++next_;
        clients_[n] = {std::move(accepted->fd), {}, {}, false, os::now()};
        wait_for_query(n);
    }
    look_later();
}

/// False if all wait for an answer.
bool stream_clients::make_room()
{
    const auto silent_since = [](const auto& c) { return c.second.asks ? instant::max() : c.second.heard; };
    const auto oldest = std::ranges::min_element(clients_, {}, silent_since);
    if (oldest->second.asks)
        return false;
    close(oldest->first);
    return true;
}

void stream_clients::close(number n)
{
    const auto c = clients_.find(n);
    loop_->forget(c->second.fd.get());
    clients_.erase(c);
}

void stream_clients::wait_for_query(number n)
{
    if (!loop_->watch(clients_.at(n).fd.get(), readiness_for::reading, [this, n] { on_readable(n); }))
        close(n);
}

void stream_clients::on_readable(number n)
{
    auto& c = clients_.at(n);
    std::array<octet, longest_query> room;
    const auto got = os::receive(c.fd.get(), bytes_span{room});
    if (!got && (got.error().value() == EAGAIN || got.error().value() == EINTR))
        return;
    if (!got || *got == 0)
        return close(n);
    c.heard = os::now();
    c.received.insert(c.received.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*got));
    take_query(n);
}

/// Asks what was received, if it is whole. Until it is answered, no more is read.
void stream_clients::take_query(number n)
{
    auto& c = clients_.at(n);
    reader in{c.received};
    const auto length = in.take<be16>();
    if (!length)
        return;
    if (*length > longest_query)
        return close(n);
    const auto whole = in.take(*length);
    if (!whole)
        return;
    const std::vector<octet> query{whole->begin(), whole->end()};
    c.received.erase(c.received.begin(), c.received.begin() + static_cast<std::ptrdiff_t>(length_octets + query.size()));
    c.asks = true;
    loop_->forget(c.fd.get());
    answers_.take(query, name_answers::transport::stream, [this, n](bytes_view answer) { on_answer(n, answer); });
}

void stream_clients::on_answer(number n, bytes_view answer)
{
    const auto found = clients_.find(n);
    if (found == clients_.end())
        return;
    if (answer.empty())
        return close(n);
    auto& c = found->second;
    const be16 length{static_cast<std::uint16_t>(answer.size())};
    c.to_send.assign(octets_of(length).begin(), octets_of(length).end());
    c.to_send.insert(c.to_send.end(), answer.begin(), answer.end());
    if (!loop_->watch(c.fd.get(), readiness_for::writing, [this, n] { on_writable(n); }))
        close(n);
}

void stream_clients::on_writable(number n)
{
    auto& c = clients_.at(n);
    const auto sent = os::send(c.fd.get(), c.to_send);
    if (!sent && (sent.error().value() == EAGAIN || sent.error().value() == EINTR))
        return;
    if (!sent)
        return close(n);
    c.to_send.erase(c.to_send.begin(), c.to_send.begin() + static_cast<std::ptrdiff_t>(*sent));
    if (!c.to_send.empty())
        return; // edge-triggered: the rest goes when there is room
    c.asks = false;
    c.heard = os::now();
    wait_for_query(n);
    if (clients_.contains(n))
        take_query(n); // perhaps it came with the one before
}

void stream_clients::look_later()
{
    if (looks_ || clients_.empty())
        return;
    looks_ = true;
    loop_->call_in(between_looks, [this] {
        looks_ = false;
        std::vector<number> over;
        for (const auto& [n, c] : clients_)
            if (os::now() - c.heard > patience)
                over.push_back(n);
        for (const auto n : over)
            close(n);
        look_later();
    });
}

} // namespace tapioca
