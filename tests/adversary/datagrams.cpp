#include "tests/adversary/datagrams.hpp"

#include "tests/adversary/clock.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <sys/epoll.h>
#include <unistd.h>

namespace tapioca::adversary {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t stream_tag = 1ULL << 62;
constexpr std::size_t request_pattern = 100, second_pattern = 101, stranger_pattern = 102;

std::size_t any_size(dice& d, bool six)
{
    static constexpr std::size_t edges[] = {0, 1, 1452, 1453, 1472, 1473, 8972, 65492, 65493, 65507};
    const auto most = six ? std::size_t{65527} : std::size_t{65507};
    return d.percent(25)  ? edges[d.below(std::size(edges))]
           : d.percent(3) ? most
                          : d.any_magnitude(1, d.percent(80) ? 2000 : most);
}

const char* name(answering how)
{
    static constexpr const char* names[] = {"an answer", "answers", "an answer from another port", "a stranger first",
                                            "no answer"};
    return names[static_cast<std::size_t>(how)];
}

} // namespace

datagram_crowd::datagram_crowd(const crowd_options& options)
    : options_(options), guest_(options.socket, options.seed, options.guest4), epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      exchanges_(std::min<std::uint64_t>({options.at_once, options.count, most_exchanges})), dice_(options.seed, 0x756470)
{
    epoll_event e{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = stream_tag}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, guest_.link.descriptor(), &e);
    for (std::uint32_t slot = 0; slot < exchanges_.size(); ++slot)
        open_peers(slot);
}

datagram_crowd::~datagram_crowd()
{
    for (const auto& p : peers_)
        ::close(p.descriptor);
    ::close(epoll_);
}

/// For each family the slot's peers, and one stranger, whose address no exchange ever speaks to.
void datagram_crowd::open_peers(std::uint32_t slot)
{
    for (const bool six : {false, true})
        for (std::uint32_t i = 0; i <= peers_each; ++i) {
            auto octets = (six ? options_.remote6 : options_.remote4).octets();
            octets[15] = static_cast<octet>(octets[15] + (i == peers_each ? 2 : slot % 2));
            const endpoint at{ip_address{octets}, static_cast<std::uint16_t>(10000 + slot * (peers_each + 1) + i)};
            const peer p{bound_socket(at, SOCK_DGRAM), at};
            const int room = 4 << 20;
            ::setsockopt(p.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
            ::setsockopt(p.descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
            if (p.descriptor < 0)
                throw std::runtime_error("port " + std::to_string(at.port) + " is not free");
            epoll_event e{.events = EPOLLIN, .data = {.u64 = peers_.size()}};
            ::epoll_ctl(epoll_, EPOLL_CTL_ADD, p.descriptor, &e);
            peers_.push_back(p);
        }
}

std::vector<octet> datagram_crowd::octets(const exchange& e, std::size_t which, std::size_t size) const
{
    std::vector<octet> o(size);
    test::stream_pattern{e.number * 128 + which}.fill(o, 0);
    return o;
}

bool datagram_crowd::is_right(const exchange& e, std::size_t which, std::size_t size, bytes_view got) const
{
    return got.size() == size && test::stream_pattern{e.number * 128 + which}.matches(got, 0);
}

void datagram_crowd::wrong(const exchange& e, const std::string& what)
{
    ++wrong_;
    const auto& p = peers_[e.with];
    std::printf("exchange %llu, %s %s, guest's port %u, peer's %u: %zu octets for %s of",
                static_cast<unsigned long long>(e.number), p.at.address.is_v4() ? "IPv4" : "IPv6",
                e.inbound ? "inbound" : "outbound", e.guest.port, p.at.port, e.request, name(e.how));
    for (const auto size : e.answers)
        std::printf(" %zu", size);
    std::printf(": %s\n", what.c_str());
}

void datagram_crowd::choose(exchange& e, std::uint32_t slot, dice& d)
{
    const bool six = d.percent(50);
    e.inbound = d.percent(30);
    e.request = any_size(d, six);
    e.how = static_cast<answering>(d.below(5));
    const auto count = e.how == answering::none ? 0 : e.how == answering::many ? d.between(2, 8) : 1;
    for (std::size_t i = 0; i < count; ++i)
        e.answers.push_back(e.how == answering::many ? i + d.any_magnitude(1, 1400) : any_size(d, six));
    if (e.inbound && (e.how == answering::other_port || e.how == answering::stranger))
        e.how = answering::plain;
    for (std::size_t i = 0; i < count; ++i)
        e.missing.insert(i);
    const auto first = (slot * 2U + (six ? 1U : 0U)) * (peers_each + 1U);
    const auto chosen = d.below(peers_each);
    e.with = first + chosen;
    e.answers_from = e.how == answering::other_port ? first + (chosen + 1) % peers_each : e.with;
    const auto port = (e.inbound ? forwarded_ports : guest_ports) + slot * ports_each + d.below(ports_each);
    e.guest = {six ? options_.guest6 : options_.guest4, static_cast<std::uint16_t>(port)};
}

void datagram_crowd::begin(std::uint32_t slot)
{
    auto& e = exchanges_[slot];
    e = {};
    e.number = options_.first + begun_++;
    e.busy = true;
    e.began = now_;
    e.quiet_until = instant::min();
    dice d{options_.seed, e.number};
    choose(e, slot, d);
    flows_.insert({e.guest.port | (e.guest.address.is_v4() ? 0U : 1U << 16), e.with});
    const auto request = octets(e, request_pattern, e.request);
    ++sent_;
    if (e.inbound)
        send_from(peers_[e.with], e.guest, request);
    else
        guest_.send(e.guest, peers_[e.with].at, request);
}

void datagram_crowd::send_from(const peer& p, const endpoint& to, bytes_view payload)
{
    auto where = to_socket(to);
    if (::sendto(p.descriptor, payload.data(), payload.size(), 0, where.get(), where.length) < 0)
        throw std::runtime_error(std::string{"a peer cannot send: "} + std::strerror(errno));
}

// ── at the far end ──

void datagram_crowd::at_peer(std::size_t number)
{
    static std::vector<octet> buffer(65536);
    socket_address from;
    const auto n = ::recvfrom(peers_[number].descriptor, buffer.data(), buffer.size(), 0, from.get(), &from.length);
    if (n < 0)
        return;
    ++received_;
    const bytes_view got{buffer.data(), static_cast<std::size_t>(n)};
    const auto sender = from_socket(from);
    auto& e = exchanges_[number / (2 * (peers_each + 1))];
    if (!e.busy || (number != e.with && number != e.answers_from))
        return wrong(e, "a datagram that nobody sent to port " + std::to_string(peers_[number].at.port));
    if (e.inbound) {
        if (sender != e.guest)
            wrong(e, "the answer comes from port " + std::to_string(sender.port));
        return take_answer(e, got);
    }
    if (sender.address != e.guest.address)
        wrong(e, "the host speaks with another address");
    if (e.second && number == e.answers_from) {
        if (!is_right(e, second_pattern, 100, got))
            wrong(e, "the second question is wrong");
        e.second = false;
        return;
    }
    if (e.heard || !is_right(e, request_pattern, e.request, got))
        return wrong(e, e.heard ? "the question came twice" : "the question is wrong");
    judge_request(e, sender);
    answer(e, sender);
}

/// RFC 4787 section 4.1: the same port for all peers, for as long as it is used.
void datagram_crowd::judge_request(exchange& e, const endpoint& from)
{
    e.heard = true;
    auto& m = mappings_[{e.guest.address.is_v4(), e.guest.port}];
    if (m.port != 0 && m.port != from.port && now_ - m.used < 20s)
        ++moved_;
    m = {from.port, now_};
}

void datagram_crowd::answer(exchange& e, const endpoint& to)
{
    if (e.how == answering::stranger) {
        const auto last = e.with / (peers_each + 1) * (peers_each + 1) + peers_each;
        send_from(peers_[last], to, octets(e, stranger_pattern, 200));
        e.quiet_until = now_ + 30ms;
    }
    for (std::size_t i = 0; i < e.answers.size(); ++i) {
        ++sent_;
        send_from(peers_[e.answers_from], to, octets(e, i, e.answers[i]));
    }
}

// ── at the guest ──

void datagram_crowd::at_guest(const datagram& d)
{
    ++received_;
    const bool is_inbound = d.destination.port >= forwarded_ports;
    const auto slot = static_cast<std::uint32_t>(d.destination.port - (is_inbound ? forwarded_ports : guest_ports)) / ports_each;
    if (slot >= exchanges_.size())
        throw std::runtime_error("a datagram for port " + std::to_string(d.destination.port) + " of the guest");
    auto& e = exchanges_[slot];
    if (!e.busy || d.destination != e.guest)
        return wrong(e, "a datagram for the guest's port " + std::to_string(d.destination.port));
    if (d.source != peers_[e.answers_from].at)
        return wrong(e, "a datagram from port " + std::to_string(d.source.port) + " of somebody");
    if (!e.inbound)
        return take_answer(e, d.payload);
    if (e.heard || !is_right(e, request_pattern, e.request, d.payload))
        return wrong(e, e.heard ? "the question came twice" : "the question is wrong");
    e.heard = true;
    for (std::size_t i = 0; i < e.answers.size(); ++i) {
        ++sent_;
        guest_.send(e.guest, peers_[e.with].at, octets(e, i, e.answers[i]));
    }
}

void datagram_crowd::take_answer(exchange& e, bytes_view payload)
{
    const auto found = std::find_if(e.missing.begin(), e.missing.end(),
                                    [&](std::size_t which) { return is_right(e, which, e.answers[which], payload); });
    if (found == e.missing.end())
        return wrong(e, "an answer of " + std::to_string(payload.size()) + " octets is wrong, or came twice");
    e.missing.erase(found);
    if (e.how == answering::other_port) {
        e.second = true;
        ++sent_;
        guest_.send(e.guest, peers_[e.answers_from].at, octets(e, second_pattern, 100));
    }
}

void datagram_crowd::check_end(std::uint32_t slot)
{
    auto& e = exchanges_[slot];
    const bool is_over = e.heard && e.missing.empty() && !e.second && now_ >= e.quiet_until;
    if (!is_over && now_ - e.began < options_.patience)
        return;
    if (!is_over)
        wrong(e, !e.heard   ? "the question did not arrive"
                 : e.second ? "the second question did not arrive"
                            : std::to_string(e.missing.size()) + " answers did not arrive");
    slowest_ = std::max(slowest_, now_ - e.began);
    e.busy = false;
    ++over_;
}

bool datagram_crowd::run()
{
    now_ = now();
    guest_.introduce();
    epoll_event events[64];
    while (over_ < options_.count && link_is_up_) {
        for (std::uint32_t slot = 0; slot < exchanges_.size(); ++slot) {
            if (exchanges_[slot].busy)
                check_end(slot);
            if (!exchanges_[slot].busy && begun_ < options_.count)
                begin(slot);
        }
        guest_.link.flush();
        const int count = ::epoll_wait(epoll_, events, std::size(events), 5);
        now_ = now();
        for (int i = 0; i < count; ++i)
            if (events[i].data.u64 != stream_tag)
                at_peer(static_cast<std::size_t>(events[i].data.u64));
        link_is_up_ = guest_.receive(now_, [this](const datagram& d) { at_guest(d); });
    }
    return summary();
}

bool datagram_crowd::summary() const
{
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf(
        "seed %llu: %llu exchanges in %zu flows, %llu of them wrong; %llu datagrams sent, %llu received; %llu fragments of the "
        "guest, %llu of the daemon; %llu bad checksums, %llu ICMP errors; the slowest took %.2f s\n",
        number(options_.seed), number(over_), flows_.size(), number(wrong_), number(sent_), number(received_),
        number(guest_.fragments_sent), number(guest_.fragments_received), number(guest_.bad_checksums),
        number(guest_.icmp_errors), std::chrono::duration<double>(slowest_).count());
    if (moved_ != 0)
        std::printf("a port of the guest was seen as another one %llu times\n", number(moved_));
    if (!link_is_up_)
        std::printf("the daemon closed the stream\n");
    return link_is_up_ && wrong_ == 0 && moved_ == 0 && guest_.bad_checksums == 0;
}

} // namespace tapioca::adversary
