#include "daemon/client/tapioca_output.hpp"

#include "daemon/client/json_text.hpp"
#include "daemon/client/text_table.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

/// Of a list.
std::string first_of(const json::object& from, std::string_view list)
{
    const auto* found = from.if_contains(list);
    const bool any =
        found != nullptr && found->is_array() && !found->get_array().empty() && found->get_array().front().is_string();
    return any ? json::value_to<std::string>(found->get_array().front()) : "";
}

/// Calls `show` with each object of a list, and whose it is.
template <class Show>
void each_in(const std::vector<said>& all, std::string_view list, Show show)
{
    for (const auto& one : all)
        for (const auto& reply : one.replies)
            for (const auto* item : objects_in(reply, list))
                show(one, *item);
}

/// Milliseconds, in a unit that suits them.
std::string time_in(const json::object& flow, std::string_view name)
{
    if (flow.if_contains(name) == nullptr)
        return {};
    const auto seconds = number_in(flow, name) / 1000;
    if (seconds < 120)
        return std::to_string(seconds) + 's';
    return seconds < 7200 ? std::to_string(seconds / 60) + "min" : std::to_string(seconds / 3600) + 'h';
}

/// "github.com:443", or "deny by profile"
std::string egress_of(const json::object& flow)
{
    const auto* egress = object_in(flow, "egress");
    if (egress == nullptr)
        return {};
    const auto rule = text_in(*egress, "text");
    const auto by = rule.empty() ? "by " + text_in(*egress, "ground") : rule;
    return text_in(*egress, "verdict") == "deny" ? "deny " + by : by;
}

void add_info(std::vector<std::string>& cells, const json::object& flow)
{
    cells.push_back(egress_of(flow));
    cells.push_back(endpoint_in(flow, "host_own"));
    cells.push_back(endpoint_in(flow, "host_peer"));
    const auto* tcp = object_in(flow, "tcp");
    if (tcp == nullptr)
        return;
    const auto rtt = number_in(*tcp, "rtt_us");
    cells.push_back(rtt < 10'000 ? std::to_string(rtt) + "us" : std::to_string(rtt / 1000) + "ms");
    for (const auto* name : {"congestion_window", "retransmissions", "octets_sent", "octets_acknowledged", "octets_received"})
        cells.push_back(text_in(*tcp, name));
}

/// "80-81 Permission denied, 443 Address already in use"
std::string missing_ports(const json::object& rule)
{
    std::string text;
    const auto* missing = rule.if_contains("missing");
    if (missing == nullptr || !missing->is_array())
        return text;
    for (const auto& ports : missing->get_array())
        if (ports.is_object())
            text += (text.empty() ? "" : ", ") + text_in(ports.get_object(), "ports") + ' ' + text_in(ports.get_object(), "why");
    return text;
}

} // namespace

std::string show_instances(const std::vector<said>& all, std::size_t width)
{
    text_table table{{"PID", "NAME", "PROGRAM", "ADDRESSES", "NETWORK", "INTERFACE", "MTU", "VERSION", "WORKERS"}};
    for (const auto& one : all)
        for (const auto& reply : one.replies)
            table.add({one.pid, first_of(reply, "names"), text_in(reply, "mode"), text_in(reply, "addresses"),
                       text_in(reply, "namespace"), text_in(reply, "interface"), text_in(reply, "mtu"), text_in(reply, "version"),
                       text_in(reply, "workers")});
    return table.text(width);
}

std::string show_flows(const std::vector<said>& all, std::size_t width, bool info)
{
    std::vector<std::string> heads{"PID",    "ID",  "PROTO", "STATE", "WAY",      "FROM",      "GUEST",
                                   "REMOTE", "AGE", "IDLE",  "RULE",  "TO GUEST", "FROM GUEST"};
    if (info)
        heads.insert(heads.end(), {"EGRESS", "HOST", "PEER", "RTT", "CWND", "RETR", "SENT", "ACKED", "RECEIVED"});
    text_table table{std::move(heads)};
    each_in(all, "flows", [&](const said& one, const json::object& flow) {
        std::vector<std::string> cells{one.pid};
        for (const auto* name : {"id", "protocol", "state", "way", "origin"})
            cells.push_back(text_in(flow, name));
        cells.insert(cells.end(),
                     {endpoint_in(flow, "guest"), endpoint_in(flow, "remote"), time_in(flow, "age_ms"), time_in(flow, "idle_ms"),
                      text_in(flow, "rule"), text_in(flow, "octets_to_guest"), text_in(flow, "octets_from_guest")});
        if (info)
            add_info(cells, flow);
        table.add(std::move(cells));
    });
    return table.text(width);
}

std::string show_drops(const std::vector<said>& all, std::size_t width)
{
    text_table table{{"PID", "PACKETS", "REASON"}};
    for (const auto& one : all)
        for (const auto& reply : one.replies)
            for (const auto& [reason, count] : counts_in(reply, "drops"))
                if (count != 0)
                    table.add({one.pid, std::to_string(count), reason});
    return table.text(width);
}

std::string show_rules(const std::vector<said>& all, std::size_t width)
{
    text_table table{{"PID", "ID", "SIDE", "RULE", "OWNER", "PORTS", "FLOWS", "TO GUEST", "FROM GUEST", "MISSING"}};
    each_in(all, "rules", [&](const said& one, const json::object& rule) {
        const auto* bound = rule.if_contains("bound");
        table.add({one.pid, text_in(rule, "id"), text_in(rule, "side"), text_in(rule, "text"), text_in(rule, "owner"),
                   bound != nullptr && bound->is_object() ? text_in(bound->get_object(), "count") : "", text_in(rule, "flows"),
                   text_in(rule, "octets_to_guest"), text_in(rule, "octets_from_guest"), missing_ports(rule)});
    });
    return table.text(width);
}

std::string show_metrics(const std::vector<said>& all, metrics_format format)
{
    std::vector<counted_instance> counted;
    for (const auto& one : all) {
        counted_instance& made = counted.emplace_back();
        made.pid = one.pid;
        for (const auto& reply : one.replies) {
            if (reply.if_contains("mode") != nullptr) {
                made.version = text_in(reply, "version");
                made.mode = text_in(reply, "mode");
                continue;
            }
            made.counters = counts_in(reply, "counters");
            made.ignored = counts_in(reply, "ignored");
            made.drops = counts_in(reply, "drops");
            made.ends = counts_in(reply, "ends");
        }
    }
    return metrics_of(counted, format);
}

} // namespace tapioca::client
