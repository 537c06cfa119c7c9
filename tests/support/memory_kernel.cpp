#include "tests/support/memory_kernel.hpp"

#include "tests/support/allocations.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace tapioca::test {
namespace {

memory_kernel* running = nullptr;
constexpr int first_fd = 1 << 24; ///< beyond every descriptor that the real kernel gives

} // namespace

void octet_queue::push(bytes_view octets)
{
    if (front_ > (1U << 16) && front_ > octets_.size() / 2) {
        octets_.erase(octets_.begin(), octets_.begin() + static_cast<std::ptrdiff_t>(front_));
        front_ = 0;
    }
    octets_.insert(octets_.end(), octets.begin(), octets.end());
}

void octet_queue::pop(std::size_t count)
{
    front_ += count;
    if (front_ == octets_.size()) {
        octets_.clear();
        front_ = 0;
    }
}

os::event memory_socket::readiness() const
{
    os::event e{token};
    if (at == stage::fresh || at == stage::connecting)
        return e;
    const bool over = at == stage::over;
    e.readable = !received.empty() || !arrived.empty() || peer_finished || over;
    e.writable = over || write_shut || (send_room() >= send_limit / 3 && send_room() != 0);
    e.closed_by_peer = peer_finished || over;
    e.error = error != 0 || !error_queue.empty();
    e.urgent = urgent_at != SIZE_MAX;
    e.hung_up = over || (peer_finished && write_shut);
    return e;
}

bytes_view memory_socket::visible(std::size_t from) const
{
    const auto end = from < urgent_at ? std::min(urgent_at, received.size()) : received.size();
    return received.view().first(end).subspan(std::min(from, end));
}

memory_kernel::memory_kernel()
{
    if (running != nullptr)
        throw std::logic_error{"a memory kernel runs already"};
    running = this;
}

memory_kernel::~memory_kernel() { running = nullptr; }

memory_kernel& memory_kernel::now_running() { return *running; }
bool memory_kernel::is_running() { return running != nullptr; }

memory_socket* memory_kernel::make_socket()
{
    const uncounted_allocations quiet;
    if (socket_fails != 0)
        return nullptr;
    auto& s = sockets_.emplace_back();
    s.fd = first_fd + static_cast<int>(sockets_.size()) - 1;
    return &s;
}

/// Datagram sockets need no peer to be ready.
memory_socket* memory_kernel::make_datagram_socket()
{
    auto* s = make_socket();
    if (s != nullptr) {
        s->datagrams = true;
        s->at = memory_socket::stage::connected;
    }
    return s;
}

memory_socket* memory_kernel::find(int fd)
{
    const auto at = static_cast<std::size_t>(fd - first_fd);
    return fd < first_fd || at >= sockets_.size() || sockets_[at].closed ? nullptr : &sockets_[at];
}

bool memory_kernel::close(int fd)
{
    auto* s = find(fd);
    if (s == nullptr)
        return false;
    s->closed = true;
    s->watcher = nullptr;
    // Unread octets turn an end into a reset, as on Linux (RFC 2525 section 2.17).
    if (s->at == memory_socket::stage::connected && (s->resets_on_close || !s->received.empty())) {
        s->reset_sent = true;
        s->sending.clear();
    }
    return true;
}

std::size_t memory_kernel::collect(const os::poller& watcher, std::span<os::event> into)
{
    const uncounted_allocations quiet;
    std::vector<memory_socket*> ready;
    for (auto& s : sockets_)
        if (s.watcher == &watcher && (s.news || !s.edge))
            ready.push_back(&s);
    if (shuffle != nullptr)
        std::shuffle(ready.begin(), ready.end(), *shuffle);
    std::size_t count = 0;
    for (auto* s : ready) {
        if (count == into.size())
            break;
        s->news = false;
        const auto e = s->readiness();
        const bool writable = e.writable && s->edge; // what is level-triggered waits for input
        if (s->muted ? e.error : e.readable || writable || e.closed_by_peer || e.error)
            into[count++] = e;
    }
    return count;
}

void memory_kernel::connected(memory_socket& s)
{
    s.at = memory_socket::stage::connected;
    s.news = true;
}

void memory_kernel::connect_failed(memory_socket& s, int error)
{
    s.at = memory_socket::stage::over;
    s.error = error;
    s.news = true;
}

os::accepted memory_kernel::accept_from(const endpoint& peer, memory_socket*& socket)
{
    const auto saved = std::exchange(socket_fails, 0);
    socket = make_socket();
    socket_fails = saved;
    socket->remote = peer;
    socket->at = memory_socket::stage::connected;
    return {os::unique_fd{socket->fd}, peer};
}

std::size_t memory_kernel::peer_writes(memory_socket& s, bytes_view octets)
{
    const uncounted_allocations quiet;
    if (s.closed || s.at != memory_socket::stage::connected || s.peer_finished)
        return 0;
    const auto room = s.receive_limit > s.received.size() ? s.receive_limit - s.received.size() : 0;
    const auto count = std::min(room, octets.size());
    s.received.push(octets.first(count));
    s.news = s.news || count != 0;
    return count;
}

std::vector<octet> memory_kernel::peer_takes(memory_socket& s, std::size_t count)
{
    const auto taken = s.sending.view().first(std::min(count, s.sending.size()));
    std::vector<octet> result{taken.begin(), taken.end()};
    s.sending.pop(result.size());
    if (s.out_of_space && s.send_room() >= s.send_limit / 3) {
        s.out_of_space = false;
        s.news = true;
    }
    return result;
}

void memory_kernel::peer_finishes(memory_socket& s)
{
    s.peer_finished = true;
    s.news = true;
}

void memory_kernel::datagram_arrives(memory_socket& s, memory_datagram d)
{
    if (s.closed || !s.datagrams)
        return;
    s.arrived.push_back(std::move(d));
    s.news = true;
}

void memory_kernel::peer_resets(memory_socket& s, int error)
{
    if (s.at == memory_socket::stage::over)
        return;
    s.at = memory_socket::stage::over;
    s.error = error;
    s.sending.clear();
    s.news = true;
}

std::size_t memory_kernel::open_sockets() const
{
    return static_cast<std::size_t>(std::count_if(sockets_.begin(), sockets_.end(), [](const auto& s) { return !s.closed; }));
}

} // namespace tapioca::test
