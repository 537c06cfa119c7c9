#include "tests/sim/simulation.hpp"

#include "tests/sim/super_frame.hpp"
#include "tests/support/reference_network.hpp"
#include "tests/support/vhost_tap.hpp"

#include <algorithm>
#include <cstdlib>

namespace tapioca::test {
namespace {

plane_config configuration(const simulation_options& o)
{
    plane_config c;
    c.net = reference_network();
    c.net.mtu = o.mtu;
    c.peek_offset4 = c.peek_offset6 = o.peek_offset;
    c.guest_mac = guest_mac;
    c.address_map.guest4 = c.address_map.host4 = c.net.address4.address;
    c.address_map.guest6 = c.address_map.host6 = c.net.address6;
    c.address_map.our_tap4 = c.net.our_address4;
    c.address_map.our_tap6_ll = c.net.our_link_local;
    c.secret = {o.seed, 77};
    c.host_rules.push_back({.protocol = wire::protocol_tcp, .first = 1, .last = 65535, .target_first = 1});
    return c;
}

} // namespace

bool kernel_has_peek_offset() { return std::getenv("TAPIOCA_SIM_OWN_STORE") == nullptr; }

bool guest_shares_memory() { return std::getenv("TAPIOCA_SIM_VHOST") != nullptr; }

simulation::simulation(const simulation_options& o)
    : tap(o.offered), config(configuration(o)), to_guest(o.to_guest), from_guest(o.from_guest),
      counters(std::make_unique<report::counters>()),
      rings(o.shares_memory ? std::make_unique<vhost_tap>(tap, *counters) : nullptr),
      events(std::make_unique<report::event_ring>()), guest(guest_mac, config.address_map.guest4, config.address_map.guest6, {}),
      options_(o), random_(o.seed)
{
    kernel.has_peek_offset = o.peek_offset;
    if (o.shuffle_events)
        kernel.shuffle = &random_;
    const plane_sizes sizes{
        .tcp = o.flows, .udp = o.flows, .echo = o.flows, .tcp_splice = 16, .udp_splice = 16, .tcp_pool = o.pool};
    plane = std::make_unique<tapioca::plane>(
        context{.config = &config, .tap = back_end(), .poller = poller, .counters = *counters, .events = *events, .guest = guest},
        sizes, now());
    tcp = &plane->tcp();
    udp = &plane->udp();
    echo = &plane->echo();
}

simulation::~simulation() = default;

tap_queue& simulation::back_end() { return rings ? static_cast<tap_queue&>(*rings) : tap; }

flow_key simulation::fresh_key(std::uint16_t guest_port, std::uint16_t remote_port) const
{
    const auto remote = options_.v6 ? ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9}) : ip_address::v4(203, 0, 113, 9);
    return {options_.v6 ? config.net.address6 : config.net.address4.address, remote, guest_port, remote_port, wire::protocol_tcp};
}

simulation::conversation& simulation::add(const flow_key& key, const guest_options& options)
{
    const auto seed = 2 * conversations.size() + 10;
    auto& c = *conversations.emplace_back(std::make_unique<conversation>());
    c.guest = std::make_unique<guest_tcp>(key, link_ends{config.net.our_mac, guest_mac}, options, seed);
    c.peer.ours = stream_pattern{seed + 1};
    c.peer.theirs = stream_pattern{seed};
    c.peer.counted = now();
    return c;
}

simulation::conversation& simulation::guest_opens() { return guest_opens(options_.guest); }
simulation::conversation& simulation::peer_opens() { return peer_opens(options_.guest); }

simulation::conversation& simulation::guest_opens(const guest_options& options)
{
    ++ports_;
    auto& c = add(fresh_key(static_cast<std::uint16_t>(40000 + ports_), static_cast<std::uint16_t>(1000 + ports_)), options);
    c.guest->connect(now());
    return c;
}

simulation::conversation& simulation::guest_opens_to(const endpoint& remote)
{
    auto key = fresh_key(static_cast<std::uint16_t>(40000 + ++ports_), remote.port);
    key.remote = remote.address;
    auto& c = add(key, options_.guest);
    c.guest->connect(now());
    return c;
}

simulation::conversation& simulation::peer_opens(const guest_options& options)
{
    const auto key = fresh_key(8080, static_cast<std::uint16_t>(50000 + ++ports_));
    auto& c = add(key, options);
    c.guest->listen();
    auto accepted = kernel.accept_from({key.remote, key.remote_port}, c.peer.socket);
    plane->take_connection(std::move(accepted), {.rule = rule, .port = key.guest_port, .protocol = wire::protocol_tcp}, now());
    return c;
}

simulation::conversation* simulation::find(const flow_key& key)
{
    for (auto& c : conversations)
        if (c->guest->key() == key)
            return c.get();
    return nullptr;
}

void simulation::after(duration delay, std::function<void()> what) { due_.emplace(now() + delay, std::move(what)); }

instant simulation::next_event() const
{
    auto next = plane->next_deadline(now());
    if (!due_.empty())
        next = std::min(next, due_.begin()->first);
    for (const auto& c : conversations)
        next = std::min({next, paused ? instant::max() : c->guest->next(), c->peer.next(now())});
    return next;
}

/// Moves the clock to the next event before `limit` and lets it happen. False if there is none.
bool simulation::step(instant limit)
{
    settle();
    const auto next = next_event();
    if (next > limit)
        return false;
    kernel.clock = std::max(now(), next);
    while (!due_.empty() && due_.begin()->first <= now()) {
        auto what = std::move(due_.begin()->second);
        due_.erase(due_.begin());
        what();
    }
    for (auto& c : conversations)
        if (!paused && c->guest->next() <= now())
            c->guest->on_timer(now());
    settle();
    return true;
}

/// Turns until nothing moves any more at this moment.
void simulation::settle()
{
    for (bool moved = true; moved;) {
        moved = false;
        for (auto& c : conversations)
            moved = c->peer.act(now()) || moved;
        moved = turn() || moved;
        collect();
    }
    for (auto& c : conversations)
        (void)c->peer.act(now()); // what the last turn did to the sockets can be seen
}

/// As a worker does it. True if there may be more to do.
bool simulation::turn()
{
    const bool frames_first = options_.shuffle_events && random_() % 2 == 0;
    const bool had_frames = !tap.from_guest.empty();
    const auto before = allocation_count();
    if (frames_first)
        plane->process(back_end().receive(memory_tap::most_frames), now());
    const auto ready = poller.wait(now(), now());
    for (const auto& e : ready)
        plane->take(e, now());
    if (!frames_first)
        plane->process(back_end().receive(memory_tap::most_frames), now());
    plane->end_turn(now());
    allocations += allocation_count() - before;
    events->drain([this](const report::worker_event& e) {
        ++told[static_cast<std::size_t>(e.kind)];
        hears_event(e);
    });
    return had_frames || !ready.empty() || plane->has_ready();
}

/// What translator and guests have sent goes on the link; new sockets find their conversation.
void simulation::collect()
{
    for (auto& s : kernel.sockets())
        for (auto& c : conversations)
            if (c->peer.socket == nullptr && s.remote == endpoint{c->guest->key().remote, c->guest->key().remote_port}) {
                c->peer.socket = &s;
                c->peer.counted = now();
            }
    for (; !paused && !tap.to_guest.empty(); tap.to_guest.pop_front())
        for (auto& frame : cut(std::move(tap.to_guest.front()), options_.split_frames))
            to_link(frame, to_guest, [this](const memory_frame& f) { deliver_to_guest(f); });
    for (auto& c : conversations) {
        for (auto& frame : c->guest->output)
            to_link(frame, from_guest, [this](memory_frame f) { tap.from_guest.push_back(std::move(f)); });
        c->guest->output.clear();
    }
}

void simulation::to_link(const memory_frame& frame, link_quality& quality, std::function<void(memory_frame)> arrive)
{
    const bool towards_guest = &quality == &to_guest;
    if (const auto p = classify(frame.octets); p && p->kind == packet_kind::tcp) {
        const auto s = wire::parse_tcp(p->l4);
        auto* c =
            towards_guest ? find({p->destination, p->source, p->destination_port, p->source_port, wire::protocol_tcp}) : nullptr;
        if (c != nullptr && s)
            c->watch.see(*s, options_.guest.scale >= 0 ? tcp::our_window_scale : 0, c->guest->complaints);
        if (towards_guest && on_segment_to_guest)
            on_segment_to_guest(*s, now());
        const auto& on_purpose = towards_guest ? lose_to_guest : lose_from_guest;
        if (on_purpose && on_purpose(*s))
            return;
    } else if (p && towards_guest && on_other_to_guest) {
        on_other_to_guest(*p);
    }
    std::uniform_real_distribution<double> chance{0, 1};
    const int copies = quality.duplicates > 0 && chance(random_) < quality.duplicates ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        if (quality.loss > 0 && chance(random_) < quality.loss)
            continue;
        auto delay = quality.delay;
        if (quality.jitter != duration{})
            delay += duration{static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(quality.jitter.count()))};
        due_.emplace(now() + delay, [arrive, frame] { arrive(frame); });
    }
}

void simulation::deliver_to_guest(const memory_frame& frame)
{
    const auto p = classify(frame.octets);
    if (!p || p->kind != packet_kind::tcp)
        return;
    const auto s = wire::parse_tcp(p->l4);
    auto* c = find({p->destination, p->source, p->destination_port, p->source_port, wire::protocol_tcp});
    if (s && c != nullptr)
        c->guest->receive(*s, now());
}

bool simulation::run_until(const std::function<bool()>& done, duration limit)
{
    const auto end = now() + limit;
    settle();
    while (!done())
        if (!step(end)) {
            kernel.clock = end;
            return done();
        }
    return true;
}

void simulation::run_for(duration time)
{
    (void)run_until([] { return false; }, time);
}

bool simulation::run_to_end(conversation& c, duration limit)
{
    return run_until(
        [&] {
            // There is no TIME-WAIT: a guest whose last ACK was lost gets a reset when it asks.
            const bool guest_done = c.guest->all_acknowledged() || (lossy() && c.guest->at == guest_tcp::stage::reset);
            return c.guest->fin_received && guest_done && c.peer.saw_end && c.peer.received == c.guest->written() &&
                   tcp->flow_count() == 0;
        },
        limit);
}

std::vector<std::string> simulation::complaints() const
{
    std::vector<std::string> all;
    for (const auto& c : conversations) {
        all.insert(all.end(), c->guest->complaints.begin(), c->guest->complaints.end());
        all.insert(all.end(), c->peer.complaints.begin(), c->peer.complaints.end());
    }
    if (count(report::counter::flow_quarantined) != 0)
        all.emplace_back("a flow was quarantined");
    if (allocations != 0)
        all.emplace_back("something was allocated in a turn");
    return all;
}

bool simulation::nothing_left() const
{
    return tcp->flow_count() == 0 && tcp->store().chunks_used() == 0 && tcp->store().reserved() == 0 &&
           kernel.open_sockets() == 0;
}

} // namespace tapioca::test
