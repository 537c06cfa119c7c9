// tapioca why: whether a guest may connect somewhere, and by what.
#include "daemon/client/policy_texts.hpp"
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/config/address_text.hpp"
#include "daemon/policy/egress_target.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

struct asked_destination {
    json::object parameters;
    std::string service; ///< "tcp port 443"
};

[[noreturn]] void refuse(const std::string& text, const std::string& why)
{
    throw control_failure("'" + text + "' is no destination: " + why +
                          "; it is HOST:PORT, HOST:PORT/udp or HOST/echo, and IPv6 stands in brackets");
}

std::string host_of(const std::string& text, const egress_host& host)
{
    if (const auto* name = std::get_if<name_pattern>(&host); name != nullptr && !name->below)
        return name->name;
    const auto* network = std::get_if<prefix>(&host);
    if (network == nullptr || network->length != (network->address.is_v4() ? 32 : 128))
        refuse(text, "it is more than one host");
    return to_text(network->address);
}

/// As a rule is written, for one host and one port.
asked_destination destination_in(const std::string& text)
{
    const auto parsed = parse_target(text);
    if (const auto* fault = std::get_if<target_fault>(&parsed))
        refuse(text, fault->what);
    const auto& target = std::get<egress_target>(parsed);
    const json::object host{{"destination", host_of(text, target.host)}};
    if (target.protocol == egress_protocol::echo) {
        auto parameters = host;
        parameters["protocol"] = "echo";
        return {std::move(parameters), "echo"};
    }
    if (target.ports.size() != 1 || target.ports[0].first != target.ports[0].last)
        refuse(text, "one port is needed");
    const auto* protocol = target.protocol == egress_protocol::udp ? "udp" : "tcp";
    auto parameters = host;
    parameters["port"] = target.ports[0].first;
    parameters["protocol"] = protocol;
    return {std::move(parameters), protocol + (" port " + std::to_string(target.ports[0].first))};
}

} // namespace

int run_why(const tapioca_command& command)
{
    const auto asked = destination_in(command.operand);
    const auto ask = [&](control_connection& server) { return std::vector{server.call("WhyDestination", asked.parameters)}; };
    const auto text = [&](const std::vector<said>& all, std::size_t) {
        std::string lines;
        for (const auto& one : all) {
            if (all.size() > 1)
                lines += (lines.empty() ? "" : "\n") + std::string{"instance "} + one.pid + '\n';
            for (const auto& reply : one.replies)
                lines += text_of_reasons(reply, asked.service);
        }
        return lines;
    };
    return show(command, ask, text);
}

} // namespace tapioca::client
