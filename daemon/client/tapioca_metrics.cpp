#include "daemon/client/tapioca_metrics.hpp"

#include <set>
#include <string_view>

namespace tapioca::client {
namespace {

/// Directions as the guest sees them, and units in the name.
struct renamed {
    std::string_view counter, metric;
};
constexpr renamed known_names[] = {
    {"octets_to_guest", "guest_receive_bytes"},          {"octets_from_guest", "guest_transmit_bytes"},
    {"frames_to_guest", "guest_receive_frames"},         {"frames_from_guest", "guest_transmit_frames"},
    {"spliced_octets_to_guest", "bypass_receive_bytes"}, {"spliced_octets_to_host", "bypass_transmit_bytes"},
};

struct kind_of_flow {
    std::string_view name, opened, accepted, closed;
};
constexpr kind_of_flow kinds[] = {
    {"tcp", "tcp_flows_opened", "tcp_flows_accepted", "tcp_flows_closed"},
    {"udp", "udp_flows_opened", "", "udp_flows_closed"},
    {"echo", "echo_flows_opened", "", "echo_flows_closed"},
    {"tcp_bypass", "spliced_flows_opened", "", "spliced_flows_closed"},
    {"udp_bypass", "udp_splices_opened", "", "udp_splices_closed"},
};

std::string metric_of(const std::string& counter)
{
    for (const auto& known : known_names)
        if (known.counter == counter)
            return "tapioca_" + std::string{known.metric};
    return "tapioca_" + counter;
}

std::uint64_t value_of(const count_list& counts, std::string_view name)
{
    const auto found = counts.find(std::string{name});
    return found == counts.end() ? 0 : found->second;
}

std::string family(const std::string& name, const char* type, const std::string& help)
{
    return "# HELP " + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
}

/// `name` without `_total`, which only Prometheus counts to the family's name.
std::string counter_family(const std::string& name, const std::string& help, metrics_format format)
{
    return family(format == metrics_format::prometheus ? name + "_total" : name, "counter", help);
}

std::string quoted(std::string_view text)
{
    std::string escaped;
    for (const char c : text) {
        if (c == '\\' || c == '"')
            escaped += '\\';
        escaped += c == '\n' ? ' ' : c;
    }
    return '"' + escaped + '"';
}

std::string sample(const std::string& name, const counted_instance& of, const std::string& label, std::uint64_t value)
{
    return name + "{pid=" + quoted(of.pid) + (label.empty() ? "" : ',' + label) + "} " + std::to_string(value) + '\n';
}

std::string flow_gauges(const std::vector<counted_instance>& all)
{
    auto text = family("tapioca_flows", "gauge", "Flows that there are, by kind.");
    for (const auto& one : all)
        for (const auto& kind : kinds) {
            const auto begun = value_of(one.counters, kind.opened) + value_of(one.counters, kind.accepted);
            const auto ended = value_of(one.counters, kind.closed); // read a moment later
            text += sample("tapioca_flows", one, "kind=" + quoted(kind.name), begun < ended ? 0 : begun - ended);
        }
    return text;
}

std::string reasons(const std::vector<counted_instance>& all, const std::string& name, const std::string& help,
                    count_list counted_instance::*which, metrics_format format)
{
    auto text = counter_family(name, help, format);
    for (const auto& one : all)
        for (const auto& [reason, value] : one.*which)
            text += sample(name + "_total", one, "reason=" + quoted(reason), value);
    return text;
}

} // namespace

std::string metrics_of(const std::vector<counted_instance>& all, metrics_format format)
{
    const bool has_info = format == metrics_format::openmetrics;
    auto text = family(has_info ? "tapioca" : "tapioca_info", has_info ? "info" : "gauge", "Instances of passt and pasta.");
    std::set<std::string> names;
    for (const auto& one : all) {
        text += sample("tapioca_info", one, "version=" + quoted(one.version) + ",mode=" + quoted(one.mode), 1);
        for (const auto& [name, value] : one.counters)
            names.insert(name);
    }
    text += flow_gauges(all);
    text += reasons(all, "tapioca_ignored", "Packets that nobody has to answer: no losses.", &counted_instance::ignored, format);
    text += reasons(all, "tapioca_drops", "Packets that were dropped, by reason.", &counted_instance::drops, format);
    text += reasons(all, "tapioca_flow_ends", "Flows that have ended, by reason.", &counted_instance::ends, format);
    for (const auto& name : names) {
        const auto metric = metric_of(name);
        text += counter_family(metric, "The counter " + name + '.', format);
        for (const auto& one : all)
            if (const auto found = one.counters.find(name); found != one.counters.end())
                text += sample(metric + "_total", one, "", found->second);
    }
    return text + "# EOF\n";
}

} // namespace tapioca::client
