#include "tests/adversary/crowd.hpp"

#include "proto/frame/classify.hpp"
#include "proto/wire/arp.hpp"
#include "tests/adversary/clock.hpp"

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tapioca::adversary {
namespace {

constexpr std::uint64_t stream_tag = 1ULL << 62, listener_tag = 1ULL << 61;

} // namespace

crowd::crowd(const crowd_options& options)
    : options_(options),
      link_(options.socket), ends_{{{0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55}}, {{0x52, 0x54, 0, 0x12, 0x34, 0x56}}},
      epoll_(::epoll_create1(EPOLL_CLOEXEC)), slots_(std::min<std::uint64_t>({options.at_once, options.count, most_slots})),
      dice_(options.seed, 0x6f7264)
{
    epoll_event e{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = stream_tag}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, link_.descriptor(), &e);
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        const auto number = options.first + i;
        slots_[i].six = number % 2 != 0;
        slots_[i].inbound = number % 4 >= 2;
        if (i < kinds)
            unbegun_[i] = number;
        if (!slots_[i].inbound)
            make_listener(i);
    }
}

crowd::~crowd()
{
    for (const auto& s : slots_)
        if (s.listener >= 0)
            ::close(s.listener);
    ::close(epoll_);
}

void crowd::make_listener(std::uint32_t number)
{
    auto& s = slots_[number];
    s.listener = bound_socket({s.six ? options_.remote6 : options_.remote4, static_cast<std::uint16_t>(listening_ports + number)},
                              SOCK_STREAM);
    if (number % 3 == 0) { // what the connections inherit
        const int small = 2048 << (number / 3 % 4);
        ::setsockopt(s.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    if (s.listener < 0 || ::listen(s.listener, 16) != 0)
        throw std::runtime_error("port " + std::to_string(listening_ports + number) + " is not free");
    epoll_event e{.events = EPOLLIN, .data = {.u64 = listener_tag | number}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, s.listener, &e);
}

/// Tells where the guest is, before anybody asks.
void crowd::introduce()
{
    struct {
        wire::ethernet_header ethernet;
        wire::arp_header arp;
    } frame{{mac_address::broadcast(), ends_.guest, static_cast<std::uint16_t>(wire::ethertype::arp)},
            wire::make_arp({wire::arp_request_operation, ends_.guest, options_.guest4, {}, options_.guest4})};
    link_.send({reinterpret_cast<const octet*>(&frame), sizeof frame});
}

void crowd::begin(std::uint32_t number)
{
    auto& s = slots_[number];
    auto p = make_plan(options_.seed, unbegun_[number % kinds], s.inbound);
    p.same_port = p.same_port && options_.reuses_ports;
    flow_key key{s.six ? options_.guest6 : options_.guest4, s.six ? options_.remote6 : options_.remote4, 0, 0,
                 wire::protocol_tcp};
    int descriptor = -1;
    if (s.inbound) {
        key.guest_port = static_cast<std::uint16_t>(inbound_ports + number);
        if (p.same_port && s.was_used)
            descriptor = bound_socket({key.remote, s.key.remote_port}, SOCK_STREAM);
        if (descriptor < 0)
            descriptor = bound_socket({key.remote, 0}, SOCK_STREAM);
        key.remote_port = own_port(descriptor);
    } else {
        key.guest_port = p.same_port && s.was_used ? static_cast<std::uint16_t>(s.key.guest_port)
                                                   : static_cast<std::uint16_t>(dice_.between(1024, 65535));
        key.remote_port = static_cast<std::uint16_t>((p.refused ? refused_ports : listening_ports) + number);
    }
    if (s.was_used && key == s.key) // RFC 9293 section 3.4.1: beyond what the former connection used
        p.options.iss = s.next_iss;
    s.key = key;
    s.was_used = true;
    s.now = std::make_unique<conversation>(p, options_.seed, key, ends_, s.inbound, now_);
    if (s.inbound) {
        s.now->peer.attach(descriptor);
        watch(number, descriptor);
    }
    s.now->begin(now_);
    if (s.inbound && !connect_peer(s))
        return;
    unbegun_[number % kinds] += kinds;
    turn(s);
}

/// A port whose former connection is not forgotten yet cannot be used again.
bool crowd::connect_peer(slot& s)
{
    auto to = to_socket({s.six ? options_.guest6 : options_.guest4, s.key.guest_port});
    if (::connect(s.now->peer.descriptor(), to.get(), to.length) == 0 || errno == EINPROGRESS)
        return true;
    s.now.reset();
    s.was_used = false;
    return false;
}

void crowd::watch(std::uint32_t number, int descriptor)
{
    epoll_event e{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = number}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &e);
}

void crowd::accept_peer(std::uint32_t number)
{
    auto& s = slots_[number];
    const int descriptor = ::accept4(s.listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0)
        return;
    if (!s.now || s.now->peer.descriptor() >= 0 || s.now->peer.is_over() || s.now->what.refused) {
        std::printf("slot %u: a connection that nobody began\n", number);
        ++wrong_;
        ::close(descriptor);
        return;
    }
    s.now->peer.attach(descriptor);
    watch(number, descriptor);
}

void crowd::on_event(std::uint64_t tag, std::uint32_t events)
{
    const auto number = static_cast<std::uint32_t>(tag);
    if ((tag & listener_tag) != 0) {
        accept_peer(number);
    } else if (slots_[number].now) {
        slots_[number].now->peer.on_event(events);
        turn(slots_[number]);
    }
}

crowd::slot* crowd::slot_of(const flow_key& key)
{
    const std::uint16_t guest = key.guest_port, remote = key.remote_port;
    for (const auto& [port, first] : {std::pair{remote, listening_ports}, {remote, refused_ports}, {guest, inbound_ports}})
        if (port >= first && port < first + slots_.size())
            if (auto& s = slots_[port - first]; s.now && s.key == key)
                return &s;
    return nullptr;
}

void crowd::from_daemon(bytes_view frame)
{
    const auto p = classify(frame);
    if (!p || p->kind != packet_kind::tcp)
        return answer_neighbours(frame);
    const auto s = wire::parse_tcp(p->l4);
    if (!s)
        throw std::runtime_error("the daemon sent what is no TCP segment");
    const flow_key key{p->destination, p->source, s->destination_port, s->source_port, wire::protocol_tcp};
    auto* found = slot_of(key);
    if (found == nullptr)
        return refuse(key, *s);
    found->now->judge(*s, wire::tcp_checksum(p->source, p->destination, p->l4) == 0);
    found->now->way.in(frame, s->has(wire::tcp_rst), [this](std::vector<octet> octets, duration delay) {
        if (delay == duration{})
            arrive(octets);
        else
            late_.push({now_ + delay, ++order_, true, std::move(octets)});
    });
}

void crowd::answer_neighbours(bytes_view frame)
{
    if (frame.size() < sizeof(wire::ethernet_header) || frame[12] != 8 || frame[13] != 6)
        return;
    const auto asked = wire::parse_arp(frame.subspan(sizeof(wire::ethernet_header)));
    if (asked && asked->operation == wire::arp_request_operation && asked->target == options_.guest4)
        introduce();
}

void crowd::arrive(bytes_view frame)
{
    const auto p = classify(frame);
    const auto s = wire::parse_tcp(p->l4);
    const flow_key key{p->destination, p->source, s->destination_port, s->source_port, wire::protocol_tcp};
    auto* found = slot_of(key);
    if (found == nullptr)
        return refuse(key, *s);
    found->now->receive(*s, now_);
    let_go(*found);
}

/// As the system of a guest that has no such connection.
void crowd::refuse(const flow_key& key, const wire::tcp_segment& s)
{
    ++strays_;
    test::guest_tcp nobody{key, ends_, {}, 0};
    nobody.receive(s, now_);
    for (auto& f : nobody.output) {
        complete_checksum(f.octets, f.vnet);
        link_.send(f.octets);
    }
}

/// What the guest has to send goes on its way.
void crowd::let_go(slot& s)
{
    auto frames = std::move(s.now->guest.output);
    s.now->guest.output.clear();
    for (auto& f : frames)
        s.now->way.out(std::move(f), [this](std::vector<octet> octets, duration delay) {
            if (delay == duration{})
                link_.send(octets);
            else
                late_.push({now_ + delay, ++order_, false, std::move(octets)});
        });
}

void crowd::deliver_late()
{
    while (!late_.empty() && late_.top().due <= now_) {
        const auto f = late_.top();
        late_.pop();
        if (f.to_guest)
            arrive(f.octets);
        else
            link_.send(f.octets);
    }
}

void crowd::turn(slot& s)
{
    s.now->turn(now_);
    let_go(s);
}

void crowd::check_end(std::uint32_t number)
{
    auto& s = slots_[number];
    auto& c = *s.now;
    const bool in_time = c.is_over(now_);
    if (!in_time && now_ - c.started < options_.patience)
        return;
    const auto faults = c.faults(in_time);
    if (!faults.empty() || options_.verbose)
        report(s, faults);
    wrong_ += !faults.empty();
    auto& t = c.what.way.is_gentle() ? gentle_ : rough_;
    t.fresh += c.fresh_octets;
    t.old += c.old_octets;
    t.lost += c.way.lost_in;
    t.repeated += c.guest.retransmissions;
    ++t.connections;
    reset_in_closing_ += c.reset_in_closing;
    octets_up_ += c.peer.read;
    octets_down_ += c.guest.received();
    if (now_ - c.started > slowest_) {
        slowest_ = now_ - c.started;
        slowest_number_ = c.what.number;
    }
    if (c.old_octets > t.worst) {
        t.worst = c.old_octets;
        t.worst_number = c.what.number;
    }
    s.next_iss = c.guest.snd_max.value() + static_cast<std::uint32_t>(dice_.between(1, 100000));
    s.now.reset();
    ++over_;
}

void crowd::report(const slot& s, const std::vector<std::string>& faults)
{
    const auto& c = *s.now;
    for (const auto& f : faults)
        std::printf("connection %llu: %s\n", static_cast<unsigned long long>(c.what.number), f.c_str());
    std::printf("    %s\n    %s\n", describe(c.what).c_str(), c.state().c_str());
}

int crowd::next_wait()
{
    auto when = now_ + std::chrono::milliseconds{100};
    if (!late_.empty())
        when = std::min(when, late_.top().due);
    for (const auto& s : slots_)
        if (s.now)
            when = std::min(when, s.now->next());
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - now_).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 100));
}

bool crowd::run()
{
    now_ = now();
    introduce();
    epoll_event events[256];
    // The guest's kernel stays when all is over: a last segment that was lost comes again, and is answered.
    constexpr duration stays = std::chrono::seconds{3};
    auto leaves_at = instant::max();
    while (link_is_up_ && now_ < leaves_at) {
        for (std::uint32_t i = 0; i < slots_.size(); ++i) {
            if (!slots_[i].now && unbegun_[i % kinds] < options_.first + options_.count)
                begin(i);
            else if (slots_[i].now && slots_[i].now->next() <= now_)
                turn(slots_[i]);
        }
        deliver_late();
        link_.flush();
        const int count = ::epoll_wait(epoll_, events, std::size(events), next_wait());
        now_ = now();
        for (int i = 0; i < count; ++i)
            if (events[i].data.u64 != stream_tag)
                on_event(events[i].data.u64, events[i].events);
        for (int i = 0; i < 16 && link_is_up_; ++i) {
            const auto before = link_.frames_received;
            link_is_up_ = link_.receive([this](bytes_view frame) { from_daemon(frame); });
            if (link_.frames_received == before)
                break;
        }
        for (std::uint32_t i = 0; i < slots_.size(); ++i)
            if (slots_[i].now)
                check_end(i);
        if (over_ >= options_.count && leaves_at == instant::max())
            leaves_at = now_ + stays;
    }
    return summary();
}

bool crowd::summary() const
{
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("seed %llu: %llu connections, %llu of them wrong; %llu octets up, %llu down; %llu frames sent, %llu received, "
                "%llu of no connection\n",
                number(options_.seed), number(over_), number(wrong_), number(octets_up_), number(octets_down_),
                number(link_.frames_sent), number(link_.frames_received), number(strays_));
    for (const auto& [name, t] : {std::pair{"nothing lost", gentle_}, {"the others", rough_}})
        std::printf("%s: %llu connections, the daemon sent %llu octets and %llu again, for %llu segments lost; most again %llu "
                    "(%llu); the guests repeated %llu segments\n",
                    name, number(t.connections), number(t.fresh), number(t.old), number(t.lost), number(t.worst),
                    number(t.worst_number), number(t.repeated));
    std::printf("the slowest took %.1f s (%llu)\n", std::chrono::duration<double>(slowest_).count(), number(slowest_number_));
    std::printf("%llu were reset when all had been said\n", number(reset_in_closing_));
    if (!link_is_up_)
        std::printf("the daemon closed the stream\n");
    // Without a loss there is no reason to repeat but a machine so busy that answers take longer than the timeout.
    const bool modest = gentle_.old * 20 <= gentle_.fresh + 500'000 && rough_.old * 2 <= rough_.fresh + 500'000;
    if (!modest)
        std::printf("too many octets were sent again\n");
    return link_is_up_ && wrong_ == 0 && modest;
}

} // namespace tapioca::adversary
