#include "daemon/forward/listener_set.hpp"

#include "daemon/os/host_facts.hpp"
#include "daemon/os/process.hpp"
#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <span>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace tapioca {
namespace {

/// For everything that is not a listening socket.
constexpr std::size_t reserved_of(std::size_t limit) noexcept { return std::min<std::size_t>(limit / 4, 64); }

std::string address_of(const forward_rule& rule)
{
    std::string text{listening_address(rule).view()};
    if (!rule.interface.empty())
        text.append("%").append(rule.interface.view());
    return text;
}

std::string title_of(rule_side side, const forward_rule& rule)
{
    return std::string{side == rule_side::host ? "HOST " : "SPLICE "} + (rule.protocol == wire::protocol_tcp ? "TCP" : "UDP");
}

/// A port of a rule, and what became of it.
struct attempt {
    listener_name name;
    os::unique_fd fd;
    int error = 0; ///< errno
};

std::vector<attempt> all_ports(const forward_rules& rules, rule_side side)
{
    std::vector<attempt> ports;
    for (std::size_t i = 0; i < rules.size(); ++i)
        for (unsigned port = rules[i].first; !rules[i].scan && port <= rules[i].last; ++port)
            ports.push_back({{side, static_cast<std::uint8_t>(i), static_cast<std::uint16_t>(port), rules[i].protocol}, {}, 0});
    return ports;
}

/// Those that were taken from another process; the rest of them is closed.
void use_taken(std::vector<listening_socket>* taken, std::span<attempt> ports)
{
    if (taken == nullptr)
        return;
    std::map<listener_name, os::unique_fd> by_name;
    for (auto& l : *taken)
        by_name.emplace(l.name, std::move(l.fd));
    for (auto& port : ports)
        if (const auto found = by_name.find(port.name); found != by_name.end())
            port.fd = std::move(found->second);
    taken->clear();
}

/// Nearly all the time of a start with many ports is the kernel's, for making and binding sockets: two threads share it then, a
/// few dozen ports at a time. No two rules can compete for a port (conflicting()), so their order does not matter.
class opening {
public:
    opening(const listening_side& from, std::span<attempt> ports) : from_(from), ports_(ports) {}

    void run()
    {
        if (ports_.size() < worth_a_thread)
            return take_shares();
        std::thread other;
        try {
            other = std::thread{[this] { take_shares(); }};
        } catch (const std::system_error&) { // one has to do
        }
        take_shares();
        if (other.joinable())
            other.join();
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr std::size_t worth_a_thread = 512, share = 64;
    /// The network of a container that starts again may still be ending, by itself and with nobody who waits for it: a port that
    /// is in use is asked for again until so long after the start.
    static constexpr std::chrono::milliseconds patience{300}, between_tries{5};

    void take_shares() noexcept
    {
        for (std::size_t first; (first = next_.fetch_add(share)) < ports_.size();)
            for (auto at = first; at < std::min(first + share, ports_.size()) && at < end_.load(); ++at)
                if (!open(ports_[at]))
                    give_up_behind(at);
    }

    /// False if the port ends the start.
    bool open(attempt& port) noexcept
    {
        if (port.fd)
            return true;
        const auto& rule = from_.rules[port.name.rule];
        auto fd = open_listener(rule, port.name.port, from_.freebind);
        while (!fd && fd.error().value() == EADDRINUSE && !rule.best_effort && clock::now() < patience_ends_) {
            std::this_thread::sleep_for(between_tries);
            fd = open_listener(rule, port.name.port, from_.freebind);
        }
        if (fd)
            port.fd = std::move(*fd);
        else
            port.error = fd.error().value();
        return fd || rule.best_effort;
    }

    /// The user is told of the first failure in the order of the rules, so all ports before it are tried, whichever thread fails
    /// first.
    void give_up_behind(std::size_t at) noexcept
    {
        for (auto known = end_.load(); at < known && !end_.compare_exchange_weak(known, at);) {
        }
    }

    const listening_side& from_;
    std::span<attempt> ports_;
    clock::time_point patience_ends_ = clock::now() + patience;
    std::atomic<std::size_t> next_ = 0, end_ = ports_.size();
};

/// What may be done about a port that cannot be had.
std::string hint_for(const forward_rule& rule, rule_side side, unsigned port, int error)
{
    const bool tcp = rule.protocol == wire::protocol_tcp;
    const auto example = [&](unsigned instead) {
        return std::string{"as in "} + (side == rule_side::host ? (tcp ? "-t " : "-u ") : (tcp ? "-T " : "-U ")) +
               std::to_string(instead) + ':' + std::to_string(rule.target_port(static_cast<std::uint16_t>(port)));
    };
    switch (error) {
    case EACCES: {
        const auto least = os::number_in("/proc/sys/net/ipv4/ip_unprivileged_port_start").value_or(1024);
        return "; ports below " + std::to_string(least) + " are root's: take a higher one, " + example(port + 8000) +
               ", or set the sysctl net.ipv4.ip_unprivileged_port_start to " + std::to_string(port);
    }
    case EADDRINUSE:
        return std::string{"; another socket has it (ss -"} + (tcp ? "t" : "u") + "lnp shows whose): take another port, " +
               example(port < 57000 ? port + 8000 : port - 8000);
    case EADDRNOTAVAIL:
        return "; no interface has that address (--freebind listens all the same)";
    case ENODEV:
        return "; there is no such interface";
    default:
        return "";
    }
}

/// What became of the ports of one rule.
struct rule_outcome {
    unsigned refused = 0;
    std::string first_refusal;
};

rule_outcome take_rule(const forward_rule& rule, std::span<attempt> ports, opened_listeners& opened)
{
    rule_outcome outcome;
    for (auto& port : ports) {
        if (port.error == 0) {
            opened.sockets.push_back({std::move(port.fd), port.name});
            continue;
        }
        note_refused(opened.refused, port.name, port.error);
        if (outcome.refused++ == 0)
            outcome.first_refusal = listen_failure(port.name, rule, std::generic_category().message(port.error));
        if (!rule.best_effort)
            throw std::runtime_error(outcome.first_refusal + hint_for(rule, port.name.side, port.name.port, port.error) +
                                     "\nCouldn't listen on requested ports");
    }
    return outcome;
}

/// A best-effort specifier may have become several rules: it has failed if none of them got a port.
void judge(const listening_side& from, std::size_t index, unsigned& asked, unsigned& refused, const std::string& reason)
{
    const auto& rule = from.rules[index];
    const bool last = index + 1 == from.rules.size() || from.rules[index + 1].group != rule.group;
    if (last && asked != 0 && asked == refused)
        throw std::runtime_error("All listens failed for " + title_of(from.side, rule) + ": " + reason +
                                 "\nCouldn't listen on requested ports");
    if (last)
        asked = refused = 0;
}

void check_descriptor_limit(const listening_side& from)
{
    std::size_t wanted = 0;
    for (const auto& rule : from.rules)
        wanted += rule.scan ? 0 : rule.port_count();
    const auto limit = os::descriptor_limit();
    if (wanted + reserved_of(limit) > limit)
        throw std::runtime_error("Couldn't listen on requested ports: that takes " + std::to_string(wanted) +
                                 " sockets, but only " + std::to_string(limit) +
                                 " files may be open; raise the limit (ulimit -n, LimitNOFILE=) or forward fewer ports");
}

} // namespace

std::string listen_failure(const listener_name& name, const forward_rule& rule, const std::string& why)
{
    return "Listen failed for " + title_of(name.side, rule) + " port " + address_of(rule) + '/' + std::to_string(name.port) +
           ": " + why;
}

void note_refused(std::vector<refused_ports>& into, const listener_name& port, int error)
{
    if (!into.empty())
        if (auto& last = into.back();
            last.side == port.side && last.rule == port.rule && last.last + 1 == port.port && last.error == error) {
            last.last = port.port;
            return;
        }
    into.push_back({port.side, port.rule, port.port, port.port, error});
}

os::listen_at listen_place(const forward_rule& rule, std::uint16_t port, bool freebind) noexcept
{
    return {rule.stack, rule.address, rule.interface.view(), port, freebind};
}

os::result<os::unique_fd> open_listener(const forward_rule& rule, std::uint16_t port, bool freebind) noexcept
{
    const auto at = listen_place(rule, port, freebind);
    return rule.protocol == wire::protocol_tcp ? os::listen_tcp(at) : os::listen_udp(at);
}

opened_listeners open_listeners(const listening_side& from)
{
    check_descriptor_limit(from);
    auto ports = all_ports(from.rules, from.side);
    use_taken(from.taken, ports);
    opening{from, ports}.run();
    opened_listeners opened;
    opened.sockets.reserve(ports.size());
    std::span<attempt> left{ports};
    unsigned asked = 0, refused = 0;
    for (std::size_t i = 0; i < from.rules.size(); ++i) {
        const auto& rule = from.rules[i];
        rule_outcome outcome;
        if (!rule.scan) {
            outcome = take_rule(rule, left.first(rule.port_count()), opened);
            left = left.subspan(rule.port_count());
            asked += rule.port_count();
            refused += outcome.refused;
        }
        if (outcome.refused > 1)
            outcome.first_refusal += " (and " + std::to_string(outcome.refused - 1) + " more of the " +
                                     std::to_string(rule.port_count()) + " ports of that rule)";
        if (outcome.refused != 0)
            opened.warnings.push_back(outcome.first_refusal);
        judge(from, i, asked, refused, outcome.first_refusal);
    }
    return opened;
}

} // namespace tapioca
