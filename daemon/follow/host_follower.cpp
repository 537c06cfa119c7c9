#include "daemon/follow/host_follower.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/plane_plan.hpp"
#include "daemon/os/clock.hpp"
#include "daemon/report/log.hpp"

#include <algorithm>
#include <exception>

namespace tapioca {
namespace {

/// A look is followed by a pause of so many times what it took: less than a hundredth of a processor, however often the network
/// changes.
constexpr int pauses_a_look = 128;
constexpr duration longest_pause = std::chrono::seconds{10}, between_workers_answers = std::chrono::milliseconds{1};

bool has(const std::vector<ip_address>& addresses, const ip_address& a)
{
    return std::find(addresses.begin(), addresses.end(), a) != addresses.end();
}

int index_of(const std::vector<os::link_entry>& links, std::string_view name)
{
    const auto* const link = os::find_link(links, name);
    return link != nullptr ? link->index : 0;
}

} // namespace

host_follower::host_follower(const options& opts, host_watch watch, network_at_start start, means m)
    : opts_(opts), watch_(std::move(watch)), start_(std::move(start)),
      means_(std::move(m)), enabled_{start_.host.v4.enabled, start_.host.v6.enabled}, now_(start_.host),
      given_(follow_host(opts, start_, now_))
{
}

void host_follower::start(reactor& loop)
{
    loop_ = &loop;
    wait_for_events();
    wait_for_resolvers();
}

int host_follower::end_helpers() noexcept
{
    if (!means_.resolvers)
        return -1;
    loop_->forget(means_.resolvers->descriptor());
    means_.resolvers->stop();
    return means_.resolvers->end();
}

void host_follower::tell(std::string_view name, const std::string& words)
{
    log::info(words);
    means_.told.publish(event_topic::host, name, [&words] { return boost::json::object{{"words", words}}; });
}

void host_follower::tell(const std::vector<host_change>& changes)
{
    for (const auto& change : changes)
        tell(change.name, change.words);
}

void host_follower::wait_for_resolvers()
{
    if (!means_.resolvers)
        return;
    const int fd = means_.resolvers->descriptor();
    (void)loop_->watch(fd, readiness_for::reading, [this, fd] {
        while (const auto report = means_.resolvers->take()) {
            if (report->what != resolver_watcher::report::kind::ended) {
                take(*report);
                continue;
            }
            log::warning("Changes of /etc/resolv.conf go unnoticed from now on: the process that reads it has ended");
            loop_->forget(fd);
            means_.resolvers.reset();
            return;
        }
    });
}

void host_follower::take(const resolver_watcher::report& report)
{
    const auto number = ++reports_;
    auto read = report.what == resolver_watcher::report::kind::text ? parse_resolv_conf(report.text) : resolv_conf{};
    if (!read.resolvers.empty() || now_.resolvers.empty())
        return set_resolvers(std::move(read));
    loop_->call_in(half_written, [this, number, read = std::move(read)] {
        if (number == reports_)
            set_resolvers(read);
    });
}

void host_follower::set_resolvers(resolv_conf to)
{
    const auto before = now_;
    now_.resolvers = std::move(to.resolvers);
    now_.search = std::move(to.search);
    tell(changes_of(before, now_));
    give_to_planes();
}

/// While changes settle nobody is woken by more of them.
void host_follower::wait_for_events()
{
    const int fd = watch_.events.descriptor();
    (void)loop_->watch(fd, readiness_for::reading, [this, fd] {
        loop_->forget(fd);
        loop_->call_in(pause_, [this] { look(); });
    });
}

void host_follower::look()
{
    const auto began = os::thread_time();
    watch_.events.clear(); // before the tables are read, so that nothing is missed
    try {
        const auto seen = look_at_host(opts_, enabled_, watch_.tables);
        const auto before = now_;
        update(now_, seen);
        tell(changes_of(before, now_));
        note_gone(before.addresses);
        if (means_.in_namespace)
            give_to_namespace(means_.in_namespace->plan(now_, seen, follow_host(opts_, start_, now_).guest, watch_.tables));
        give_to_planes();
        listen_anew(before.links);
    } catch (const std::exception& failure) { // an interface that the user named is away
        log::debug(std::string{"The host's network: "} + failure.what());
    }
    pause_ = std::clamp<duration>(pauses_a_look * (os::thread_time() - began), settling, longest_pause);
    wait_for_events();
}

void host_follower::give_to_planes()
{
    auto next = follow_host(opts_, start_, now_);
    if (opts_.follow == follow_mode::guest) {
        withdrawn_.note(given_.guest, next.guest, os::now());
        withdrawn_.put_into(next, os::now());
    }
    if (next == given_)
        return;
    const auto before = std::exchange(given_, std::move(next)).guest;
    means_.workers.exchange([this](plane_config& config) {
        set_network(config, given_.guest, given_.address_map);
        config.scope6 = given_.scope6;
        if (!opts_.egress.empty())
            config.places = std::make_shared<const host_places>(given_.places);
    });
    if (opts_.follow == follow_mode::guest)
        tell_guest(before);
    else if (!(given_.guest == before))
        means_.workers.advertise_router();
}

/// What a client of DHCP has, it asks for anew when the carrier has been away.
void host_follower::tell_guest(const guest_network& before)
{
    keep_withdrawing();
    const auto& is = given_.guest;
    auto was = before;
    was.withdrawn = is.withdrawn; // the time that is left is no news
    if (is == was)
        return;
    advertise(advertisements, ++changes_told_);
    const bool moves = is.address4 != was.address4 || is.gateway4 != was.gateway4 || is.address6 != was.address6;
    if (moves && means_.in_namespace)
        means_.workers.guest_has(is.address4.address, is.address6);
    if (moves && means_.set_carrier) {
        means_.set_carrier(false);
        loop_->call_in(carrier_loss, [this] { means_.set_carrier(true); });
    }
}

void host_follower::advertise(unsigned times, std::uint64_t change)
{
    if (times == 0 || change != changes_told_)
        return;
    means_.workers.advertise_router();
    loop_->call_in(between_advertisements, [this, times, change] { advertise(times - 1, change); });
}

void host_follower::keep_withdrawing()
{
    if (withdraws_ || withdrawn_.empty())
        return;
    withdraws_ = true;
    loop_->call_in(between_withdrawals, [this] {
        withdraws_ = false;
        give_to_planes();
        keep_withdrawing();
    });
}

void host_follower::note_gone(const std::vector<ip_address>& before)
{
    for (const auto& address : now_.addresses)
        gone_.erase(address);
    bool more = false;
    for (const auto& address : before)
        if (!has(now_.addresses, address))
            more = gone_.emplace(address, os::now() + grace).second || more;
    if (more)
        loop_->call_in(grace, [this] { end_stranded_flows(); });
}

void host_follower::end_stranded_flows()
{
    auto ending = std::make_shared<stranded_flows>();
    for (auto at = gone_.begin(); at != gone_.end();) {
        if (at->second > os::now()) {
            ++at;
            continue;
        }
        ending->gone.push_back(at->first);
        at = gone_.erase(at);
    }
    if (ending->gone.empty())
        return;
    for (const auto& address : ending->gone)
        tell("address_gone", "The host has lost its address " + to_text(address) + "; connections that have it are reset");
    end_flows(ending);
}

void host_follower::end_flows(const end_stranded& ending, std::function<void()> then)
{
    means_.workers.ask(0, ending);
    continue_ending(0, ending, std::move(then));
}

/// One worker after the other, each some of its flows in a turn.
void host_follower::continue_ending(std::size_t worker, end_stranded ending, std::function<void()> then)
{
    if (ending->done.exchange(false, std::memory_order_acquire)) {
        worker += ending->from == 0;
        if (worker == means_.workers.size()) {
            if (then)
                loop_->call_in(on_the_way, std::move(then));
            return;
        }
        means_.workers.ask(worker, ending);
    }
    loop_->call_in(between_workers_answers,
                   [this, worker, ending, then = std::move(then)] { continue_ending(worker, ending, then); });
}

/// A reset that comes to an address that is not there any more is nobody's: connections end first.
void host_follower::give_to_namespace(interface_plan next)
{
    auto ending = std::make_shared<stranded_flows>();
    ending->guest_lost = means_.in_namespace->loses(next);
    if (ending->guest_lost.empty())
        means_.in_namespace->give(std::move(next));
    else
        end_flows(ending, [this, next = std::move(next)] { means_.in_namespace->give(next); });
}

/// A socket is bound to an interface by its index, which is another one when the interface was away.
void host_follower::listen_anew(const std::vector<os::link_entry>& before)
{
    const auto& rules = means_.workers.config().host_rules;
    for (const auto& name : means_.listening()) {
        if (name.side != rule_side::host)
            continue;
        const auto& rule = rules[name.rule];
        if (rule.interface.empty())
            continue;
        const int was = index_of(before, rule.interface.view()), is = index_of(now_.links, rule.interface.view());
        if (is == 0 || is == was)
            continue;
        auto opened = means_.open(rule, name);
        if (!opened) {
            log::warning(listen_failure(name, rule, opened.error().message()));
            continue;
        }
        means_.workers.stop_listening(name);
        means_.workers.listen({std::move(*opened), name});
        tell("listening_again",
             "Listening again on " + std::string{rule.interface.view()} + ", port " + std::to_string(name.port));
    }
}

} // namespace tapioca
