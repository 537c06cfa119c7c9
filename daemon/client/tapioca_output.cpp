#include "daemon/client/tapioca_output.hpp"

#include "daemon/client/text_table.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

const json::value* find(const json::object& from, std::string_view name) { return from.if_contains(name); }

/// Texts as they are, numbers in digits, lists with commas; empty where there is none.
std::string text_of(const json::value* value)
{
    if (value == nullptr || value->is_null())
        return {};
    if (value->is_string())
        return json::value_to<std::string>(*value);
    if (!value->is_array())
        return json::serialize(*value);
    std::string list;
    for (const auto& each : value->get_array())
        list += (list.empty() ? "" : ",") + text_of(&each);
    return list;
}
std::string text_of(const json::object& from, std::string_view name) { return text_of(find(from, name)); }

std::string first_of(const json::object& from, std::string_view list)
{
    const auto* found = find(from, list);
    return found != nullptr && found->is_array() && !found->get_array().empty() ? text_of(&found->get_array().front()) : "";
}

std::string endpoint_in(const json::object& from, std::string_view name)
{
    const auto* endpoint = find(from, name);
    if (endpoint == nullptr || !endpoint->is_object())
        return {};
    const auto address = text_of(endpoint->get_object(), "address"), port = text_of(endpoint->get_object(), "port");
    return (address.find(':') == std::string::npos ? address : '[' + address + ']') + ':' + port;
}

/// Calls `show` with each object of a list, and whose it is.
template <class Show>
void each_in(const std::vector<said>& all, std::string_view list, Show show)
{
    for (const auto& one : all)
        for (const auto& reply : one.replies)
            if (const auto* found = find(reply, list); found != nullptr && found->is_array())
                for (const auto& item : found->get_array())
                    if (item.is_object())
                        show(one, item.get_object());
}

count_list counts_in(const json::object& reply, std::string_view which)
{
    count_list counts;
    const auto* total = find(reply, "total");
    const auto* found = total != nullptr && total->is_object() ? find(total->get_object(), which) : nullptr;
    if (found != nullptr && found->is_object())
        for (const auto& [name, value] : found->get_object())
            if (value.is_int64() || value.is_uint64())
                counts[std::string{name}] = value.is_int64() ? static_cast<std::uint64_t>(value.get_int64()) : value.get_uint64();
    return counts;
}

/// "80-81 Permission denied, 443 Address already in use"
std::string missing_ports(const json::object& rule)
{
    std::string text;
    const auto* missing = find(rule, "missing");
    if (missing == nullptr || !missing->is_array())
        return text;
    for (const auto& ports : missing->get_array())
        if (ports.is_object())
            text += (text.empty() ? "" : ", ") + text_of(ports.get_object(), "ports") + ' ' + text_of(ports.get_object(), "why");
    return text;
}

} // namespace

std::string show_instances(const std::vector<said>& all, std::size_t width)
{
    text_table table{{"PID", "NAME", "PROGRAM", "ADDRESSES", "NETWORK", "INTERFACE", "MTU", "VERSION", "WORKERS"}};
    for (const auto& one : all)
        for (const auto& reply : one.replies)
            table.add({one.pid, first_of(reply, "names"), text_of(reply, "mode"), text_of(reply, "addresses"),
                       text_of(reply, "namespace"), text_of(reply, "interface"), text_of(reply, "mtu"), text_of(reply, "version"),
                       text_of(reply, "workers")});
    return table.text(width);
}

std::string show_flows(const std::vector<said>& all, std::size_t width)
{
    text_table table{{"PID", "ID", "PROTO", "WAY", "FROM", "GUEST", "REMOTE", "RULE"}};
    each_in(all, "flows", [&](const said& one, const json::object& flow) {
        table.add({one.pid, text_of(flow, "id"), text_of(flow, "protocol"), text_of(flow, "way"), text_of(flow, "origin"),
                   endpoint_in(flow, "guest"), endpoint_in(flow, "remote"), text_of(flow, "rule")});
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
        const auto* bound = find(rule, "bound");
        table.add({one.pid, text_of(rule, "id"), text_of(rule, "side"), text_of(rule, "text"), text_of(rule, "owner"),
                   bound != nullptr && bound->is_object() ? text_of(bound->get_object(), "count") : "", text_of(rule, "flows"),
                   text_of(rule, "octets_to_guest"), text_of(rule, "octets_from_guest"), missing_ports(rule)});
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
            if (find(reply, "mode") != nullptr) {
                made.version = text_of(reply, "version");
                made.mode = text_of(reply, "mode");
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
