#include "daemon/names/resolver_client.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/translate/limits.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr std::size_t most_datagrams = 8; ///< read in a turn
constexpr std::size_t longest_datagram = 4096;
constexpr std::size_t stream_piece = 16384;
constexpr std::size_t length_octets = 2; ///< in front of each message over TCP (RFC 1035 section 4.2.2)

} // namespace

/// Both families in one list: IPv4 first, as far as there is room, but one of IPv6 at least.
void resolver_client::follow_resolvers()
{
    const auto& map = network_().address_map;
    resolver_list all;
    const auto& v4 = map.names4.resolvers;
    const auto& v6 = map.names6.resolvers;
    const std::size_t of_v4 = v6.empty() ? v4.size() : std::min(v4.size(), all.capacity() - 1);
    for (std::size_t i = 0; i < of_v4; ++i)
        (void)all.push_back(v4[i]);
    for (const auto& resolver : v6)
        (void)all.push_back(resolver);
    choice_.follow(all);
}

/// Nobody who does not know the secret can tell the next one from those before.
std::uint16_t resolver_client::fresh_id()
{
    const be64 count{++ids_};
    return static_cast<std::uint16_t>(siphash(secret_, octets_of(count)));
}

bool resolver_client::ask(const wire::dns_question& what, answered then)
{
    if (asked_.size() >= most_questions)
        return false;
    const auto now = os::now();
    const auto n = ++next_;
    auto& q = asked_[n];
    q.asked = {wire::folded(what.name), what.type, what.in_class};
    q.then = std::move(then);
    q.end = now + limits::query_patience;
    follow_resolvers();
    q.generation = choice_.generation();
    try_next(n, now);
    look_later();
    return true;
}

/// Asks the next resolver that takes the datagram; when all were asked, the first anew.
void resolver_client::try_next(number n, instant now)
{
    auto& q = asked_.at(n);
    if (q.generation != choice_.generation()) {
        q.generation = choice_.generation();
        q.tried = q.silent = 0;
    }
    for (unsigned i = 0; i < choice_.list().size() && q.tries < most_tries; ++i) {
        auto which = choice_.next(q.tried, now);
        if (!which && !q.refused) {
            q.tried = 0;
            ++q.rounds;
            which = choice_.next(0, now);
        }
        if (!which)
            break;
        q.tried |= resolver_choice::bit(*which);
        ++q.tries;
        if (send_datagram(n, q, *which)) {
            q.due = now + (1U << q.rounds) * limits::resolver_silence;
            return;
        }
        choice_.on_silence(*which, now);
    }
    q.due = q.attempts.empty() ? now : q.end; // those that were asked may still answer
}

os::result<os::unique_fd> resolver_client::open(const ip_address& resolver, bool stream) const
{
    auto fd = stream ? os::tcp_socket(resolver.family()) : os::udp_socket(resolver.family());
    if (!fd)
        return fd;
    const auto path = path_to(network_(), resolver);
    if (!path.interface.empty())
        if (const auto bound = os::bind_to_device(fd->get(), path.interface); !bound)
            return bound.error();
    if (!path.from.is_unspecified() && !resolver.is_loopback())
        if (const auto bound = os::bind(fd->get(), {path.from, 0}); !bound)
            return bound.error();
    if (const auto connected = os::connect(fd->get(), {resolver, wire::dns_port}, path.scope); !connected)
        return connected.error();
    return fd;
}

bool resolver_client::send_datagram(number n, question& q, unsigned which)
{
    auto fd = open(choice_.list()[which], false);
    if (!fd)
        return false;
    const int watched = fd->get();
    std::array<octet, wire::longest_dns_query> query;
    const auto id = fresh_id();
    const auto size = wire::make_dns_query(id, q.asked, query);
    if (!os::send(watched, bytes_view{query}.first(size)))
        return false;
    if (!loop_->watch(watched, readiness_for::reading, [this, n, watched] { on_datagrams(n, watched); }))
        return false;
    q.silent |= resolver_choice::bit(which);
    q.attempts.push_back({std::move(*fd), id, which, false, {}});
    return true;
}

resolver_client::attempt* resolver_client::find(number n, int fd)
{
    const auto q = asked_.find(n);
    if (q == asked_.end())
        return nullptr;
    const auto a = std::ranges::find_if(q->second.attempts, [&](const attempt& each) { return each.fd.get() == fd; });
    return a == q->second.attempts.end() ? nullptr : &*a;
}

void resolver_client::drop_attempt(question& q, int fd)
{
    loop_->forget(fd);
    std::erase_if(q.attempts, [&](const attempt& a) {
        streams_ -= a.fd.get() == fd && a.stream;
        return a.fd.get() == fd;
    });
}

void resolver_client::on_datagrams(number n, int fd)
{
    std::array<octet, longest_datagram> room;
    for (std::size_t i = 0; i < most_datagrams && find(n, fd) != nullptr; ++i) {
        const auto got = os::receive(fd, room);
        if (!got && (got.error().value() == EAGAIN || got.error().value() == EINTR))
            return;
        if (!got)
            return fail(n, fd); // nobody listens there, or the network says that it cannot be reached
        take(n, fd, bytes_view{room}.first(*got));
    }
}

/// A message that may be the answer.
void resolver_client::take(number n, int fd, bytes_view message)
{
    const auto reply = wire::parse_dns_reply(message);
    auto& q = asked_.at(n);
    const auto& a = *find(n, fd);
    if (!reply || reply->id != a.id || !wire::same_question(reply->question, q.asked))
        return;
    const auto which = a.resolver;
    const bool is_current = q.generation == choice_.generation();
    if (is_current) {
        q.silent = static_cast<resolver_choice::set>(q.silent & ~resolver_choice::bit(which));
        choice_.on_answer(which, q.silent, os::now());
    }
    if (wire::says_nothing(reply->rcode) || reply->rcode == wire::rcode::format_error) {
        q.refused = true;
        return fail(n, fd);
    }
    if (!reply->truncated)
        return finish(n, &*reply);
    if (a.stream || !is_current || !begin_stream(n, q, which))
        fail(n, fd);
}

/// Nothing is to be expected of that attempt.
void resolver_client::fail(number n, int fd)
{
    auto& q = asked_.at(n);
    drop_attempt(q, fd);
    q.due = instant{}; // at the next look
}

bool resolver_client::begin_stream(number n, question& q, unsigned which)
{
    if (streams_ >= most_streams)
        return false;
    auto fd = open(choice_.list()[which], true);
    if (!fd)
        return false;
    const int watched = fd->get();
    if (!loop_->watch(watched, readiness_for::writing, [this, n, watched] { on_connected(n, watched); }))
        return false;
    while (!q.attempts.empty())
        drop_attempt(q, q.attempts.front().fd.get());
    ++streams_;
    q.attempts.push_back({std::move(*fd), fresh_id(), which, true, {}});
    q.due = q.end;
    return true;
}

void resolver_client::on_connected(number n, int fd)
{
    const auto* a = find(n, fd);
    if (a == nullptr)
        return;
    if (os::take_error(fd) != 0)
        return fail(n, fd);
    std::array<octet, length_octets + wire::longest_dns_query> query;
    const auto size = wire::make_dns_query(a->id, asked_.at(n).asked, std::span{query}.subspan<length_octets>());
    writer{query}.put(be16{static_cast<std::uint16_t>(size)});
    const auto sent = os::send(fd, bytes_view{query}.first(length_octets + size));
    loop_->forget(fd);
    if (!sent || *sent != length_octets + size || !loop_->watch(fd, readiness_for::reading, [this, n, fd] { on_stream(n, fd); }))
        fail(n, fd);
}

void resolver_client::on_stream(number n, int fd)
{
    auto* a = find(n, fd);
    if (a == nullptr)
        return;
    std::array<octet, stream_piece> room;
    const auto got = os::receive(fd, room);
    if (!got && (got.error().value() == EAGAIN || got.error().value() == EINTR))
        return;
    if (!got || *got == 0 || a->received.size() + *got > length_octets + most_octets)
        return fail(n, fd);
    a->received.insert(a->received.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*got));
    reader in{a->received};
    const auto length = in.take<be16>();
    if (!length || in.size() < *length)
        return;
    const auto message = std::move(a->received); // `take` ends the attempt
    a->received.clear();
    take(n, fd, bytes_view{message}.subspan(length_octets, *length));
    if (find(n, fd) != nullptr) // it answered something else
        fail(n, fd);
}

void resolver_client::finish(number n, const wire::dns_reply* reply)
{
    auto node = asked_.extract(n);
    auto& q = node.mapped();
    while (!q.attempts.empty())
        drop_attempt(q, q.attempts.front().fd.get());
    q.then(reply);
}

void resolver_client::look_later()
{
    if (looks_)
        return;
    looks_ = true;
    loop_->call_in(between_looks, [this] {
        looks_ = false;
        look();
        if (!asked_.empty())
            look_later();
    });
}

void resolver_client::look()
{
    const auto now = os::now();
    follow_resolvers();
    std::vector<number> due;
    for (const auto& [n, q] : asked_)
        if (now >= q.due || q.generation != choice_.generation())
            due.push_back(n);
    for (const auto n : due) {
        auto& q = asked_.at(n);
        if (q.generation == choice_.generation())
            for (unsigned which = 0; which < choice_.list().size(); ++which)
                if ((q.silent & resolver_choice::bit(which)) != 0)
                    choice_.on_silence(which, now);
        if (now < q.end)
            try_next(n, now);
        if (now >= q.end || q.attempts.empty())
            finish(n, nullptr);
    }
}

} // namespace tapioca
