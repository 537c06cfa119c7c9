#include "daemon/forward/listener_set.hpp"

#include "daemon/os/process.hpp"
#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <array>
#include <atomic>
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

/// Fewer are not worth a second thread.
constexpr std::size_t many_sockets = 512;

/// The sockets of all rules, opened by two threads if they are many: nearly all the time that a start takes is then the kernel's,
/// for making and binding them. Whoever is free takes the next block of ports, and opens what all rules ask for there, in the
/// order of the rules: so of two rules that compete for a port the same one gets it every time.
class opening {
public:
    explicit opening(const listening_side& from) : from_(from)
    {
        for (std::size_t i = 0; i < from.rules.size(); ++i) {
            first_[i] = outcomes_.size();
            outcomes_.resize(outcomes_.size() + (from.rules[i].scan ? 0 : from.rules[i].port_count()));
        }
        necessary_ = outcomes_.size();
    }

    void work()
    {
        if (outcomes_.size() < many_sockets)
            return take_blocks();
        const std::jthread other{[this] { take_blocks(); }};
        take_blocks();
    }

    /// errno, if the port was refused; 0 otherwise, and then the socket is at `into`'s end.
    int take(std::size_t rule, unsigned port, std::vector<listening_socket>& into)
    {
        auto& what = outcomes_[place_of(rule, port)];
        if (what.fd)
            into.push_back({std::move(what.fd), name_of(rule, port)});
        return what.error;
    }

private:
    struct outcome {
        os::unique_fd fd;
        int error = 0;
    };

    static constexpr unsigned block = 64, ports = 65536;

    [[nodiscard]] std::size_t place_of(std::size_t rule, unsigned port) const noexcept
    {
        return first_[rule] + (port - from_.rules[rule].first);
    }

    [[nodiscard]] listener_name name_of(std::size_t rule, unsigned port) const noexcept
    {
        return {from_.side, static_cast<std::uint8_t>(rule), static_cast<std::uint16_t>(port), from_.rules[rule].protocol};
    }

    void take_blocks() noexcept
    {
        for (unsigned begin; (begin = next_.fetch_add(block)) < ports;)
            for (std::size_t i = 0; i < from_.rules.size(); ++i)
                if (const auto& rule = from_.rules[i]; !rule.scan)
                    for (unsigned port = std::max<unsigned>(begin, rule.first);
                         port <= std::min(begin + block - 1U, unsigned{rule.last}); ++port)
                        open(i, port);
    }

    void open(std::size_t rule, unsigned port) noexcept
    {
        const auto at = place_of(rule, port);
        if (at > necessary_.load(std::memory_order_relaxed))
            return;
        auto fd = open_listener(from_, name_of(rule, port));
        if (fd) {
            outcomes_[at].fd = std::move(*fd);
            return;
        }
        outcomes_[at].error = fd.error().value();
        if (from_.rules[rule].best_effort)
            return;
        for (auto known = necessary_.load(); at < known && !necessary_.compare_exchange_weak(known, at);) {
        }
    }

    const listening_side& from_;
    std::array<std::size_t, forward_rules::capacity()> first_{}; ///< of each rule's outcomes
    std::vector<outcome> outcomes_;                              ///< in the order of rules and ports
    std::atomic<std::size_t> necessary_ = 0; ///< the first outcome that ends the start: those behind it do not matter
    std::atomic<unsigned> next_ = 0;         ///< port that nobody has taken
};

/// What became of the ports of one rule.
struct rule_outcome {
    unsigned refused = 0;
    std::string first_refusal;
};

rule_outcome take_rule(const listening_side& from, std::size_t index, opening& opened, std::vector<listening_socket>& sockets)
{
    const auto& rule = from.rules[index];
    rule_outcome outcome;
    for (unsigned port = rule.first; port <= rule.last; ++port) {
        const int error = opened.take(index, port, sockets);
        if (error == 0)
            continue;
        if (outcome.refused++ == 0)
            outcome.first_refusal =
                listen_failure({from.side, static_cast<std::uint8_t>(index), static_cast<std::uint16_t>(port), rule.protocol},
                               rule, std::generic_category().message(error));
        if (!rule.best_effort)
            throw std::runtime_error(outcome.first_refusal + "\nCouldn't listen on requested ports");
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

os::listen_at listen_place(const listening_side& from, const listener_name& name) noexcept
{
    const auto& rule = from.rules[name.rule];
    return {rule.stack, rule.address, rule.interface.view(), name.port, from.freebind};
}

os::result<os::unique_fd> open_listener(const listening_side& from, const listener_name& name) noexcept
{
    const auto at = listen_place(from, name);
    return name.protocol == wire::protocol_tcp ? os::listen_tcp(at) : os::listen_udp(at);
}

opened_listeners open_listeners(const listening_side& from)
{
    check_descriptor_limit(from);
    opening all{from};
    all.work();
    opened_listeners opened;
    unsigned asked = 0, refused = 0;
    for (std::size_t i = 0; i < from.rules.size(); ++i) {
        const auto& rule = from.rules[i];
        rule_outcome outcome;
        if (!rule.scan) {
            outcome = take_rule(from, i, all, opened.sockets);
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
