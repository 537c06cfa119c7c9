#include "daemon/forward/listener_set.hpp"

#include "daemon/os/process.hpp"
#include "proto/forward/rule_text.hpp"
#include "proto/wire/protocol.hpp"

#include <algorithm>
#include <stdexcept>
#include <system_error>

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

/// What became of the ports of one rule.
struct rule_outcome {
    unsigned refused = 0;
    std::string first_refusal;
};

rule_outcome open_rule(const listening_side& from, std::size_t index, std::vector<listening_socket>& sockets)
{
    const auto& rule = from.rules[index];
    rule_outcome outcome;
    for (unsigned port = rule.first; port <= rule.last; ++port) {
        const listener_name name{from.side, static_cast<std::uint8_t>(index), static_cast<std::uint16_t>(port), rule.protocol};
        auto fd = open_listener(from, name);
        if (fd) {
            sockets.push_back({std::move(*fd), name});
            continue;
        }
        if (outcome.refused++ == 0)
            outcome.first_refusal = listen_failure(name, rule, fd.error().message());
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
    opened_listeners opened;
    unsigned asked = 0, refused = 0;
    for (std::size_t i = 0; i < from.rules.size(); ++i) {
        const auto& rule = from.rules[i];
        rule_outcome outcome;
        if (!rule.scan) {
            outcome = open_rule(from, i, opened.sockets);
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
