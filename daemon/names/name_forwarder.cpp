#include "daemon/names/name_forwarder.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/random.hpp"

namespace tapioca {
namespace {

void lead_to(const std::vector<name_listener>& listeners, egress_policy& policy)
{
    policy.name_service = {};
    for (const auto& l : listeners)
        policy.name_service[static_cast<std::size_t>(l.at.address.family())] = l.at;
}

} // namespace

name_forwarder::beginning name_forwarder::open() { return {open_name_listeners(), std::make_unique<pin_book>(os::random_key())}; }

void name_forwarder::serve(beginning& of, egress_policy& policy)
{
    lead_to(of.listeners, policy);
    of.pins->serve(policy, pin_book::names_are::others, os::now());
}

void name_forwarder::serve(egress_policy& policy)
{
    lead_to(listeners_, policy);
    pins_->serve(policy, pin_book::names_are::others, os::now());
}

name_forwarder::name_forwarder(beginning begun, worker_pool& workers)
    : listeners_(std::move(begun.listeners)), pins_(std::move(begun.pins)), workers_(workers),
      resolvers_([&workers]() -> const forwarding& { return workers.config(); }, os::random_key()),
      answers_({.network = [&workers]() -> const forwarding& { return workers.config(); },
                .resolvers = resolvers_,
                .pins = *pins_,
                .on_pinned = [this] { look_at_table(); }}),
      datagrams_(answers_), streams_(answers_), listing_(std::make_shared<flow_listing>())
{
}

void name_forwarder::start(reactor& loop)
{
    loop_ = &loop;
    resolvers_.start(loop);
    std::vector<std::pair<int, ip_family>> datagrams;
    std::vector<int> streams;
    for (const auto& l : listeners_) {
        datagrams.emplace_back(l.udp.get(), l.at.address.family());
        streams.push_back(l.tcp.get());
    }
    datagrams_.start(loop, datagrams);
    streams_.start(loop, streams);
    sweep_later();
}

std::vector<known_name> name_forwarder::names_behind(std::uint32_t number, std::size_t most) const
{
    const auto now = os::now();
    std::vector<known_name> all;
    for (const auto* entry : pins_->names_behind(number, most)) {
        known_name& one = all.emplace_back();
        one.name = entry->first;
        one.number = entry->second.number;
        for (const auto& held : entry->second.addresses)
            if (held.until > now)
                one.addresses.push_back({held.address, held.until - now});
    }
    return all;
}

/// A worker may still look into the table before this one, until it has taken the snapshot with the new one.
void name_forwarder::look_at_table()
{
    if (pins_->has_previous() && workers_.have_obeyed())
        pins_->forget_previous();
    if (!pins_->is_nearly_full() || pins_->has_previous() || !workers_.config().egress)
        return;
    workers_.exchange([this](plane_config& config) {
        auto next = std::make_shared<egress_policy>(*config.egress);
        pins_->serve(*next, pin_book::names_are::the_same, os::now());
        config.egress = std::move(next);
    });
}

void name_forwarder::sweep_later()
{
    loop_->call_in(between_sweeps, [this] { sweep(); });
}

/// Pins that would end soon last on while a flow has their address.
void name_forwarder::sweep()
{
    if (!pins_->has_ending_before(os::now() + ahead)) {
        look_at_table();
        return sweep_later();
    }
    in_use_.clear();
    worker_ = 0;
    listing_->from = {};
    list_flows();
}

void name_forwarder::list_flows()
{
    listing_->found.clear();
    listing_->done.store(false, std::memory_order_relaxed);
    workers_.ask(worker_, listing_);
    loop_->call_in(between_workers_answers, [this] { take_flows(); });
}

void name_forwarder::take_flows()
{
    if (!listing_->done.load(std::memory_order_acquire))
        return loop_->call_in(between_workers_answers, [this] { take_flows(); });
    for (const auto& f : listing_->found)
        in_use_.insert(f.flow.key.remote);
    if (!listing_->next && worker_ + 1 < workers_.size()) {
        ++worker_;
        listing_->from = {};
        return list_flows();
    }
    if (listing_->next) {
        listing_->from = *listing_->next;
        return list_flows();
    }
    const auto now = os::now();
    if (const auto policy = workers_.config().egress)
        pins_->prolong(
            *policy, [this](const ip_address& a) { return in_use_.contains(a); }, now + ahead, now + pin_book::behind_ttl);
    pins_->sweep(now);
    in_use_.clear();
    look_at_table();
    sweep_later();
}

} // namespace tapioca
