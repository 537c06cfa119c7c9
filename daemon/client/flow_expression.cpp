#include "daemon/client/flow_expression.hpp"

#include "daemon/config/address_text.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

std::string kind_of(const flow_facts& f) { return f.way == "bypass" ? f.protocol + "-bypass" : f.protocol; }

std::string text_in(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_string() ? json::value_to<std::string>(*value) : std::string{};
}

std::optional<std::uint16_t> number_in(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    const auto* number = value == nullptr ? nullptr : value->if_int64();
    return number != nullptr && *number >= 0 && *number <= 65535 ? std::optional{static_cast<std::uint16_t>(*number)}
                                                                 : std::nullopt;
}

std::optional<endpoint> endpoint_in(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    if (value == nullptr || !value->is_object())
        return std::nullopt;
    const auto address = parse_ip(text_in(value->get_object(), "address"));
    const auto port = number_in(value->get_object(), "port");
    return address && port ? std::optional{endpoint{*address, *port}} : std::nullopt;
}

} // namespace

std::optional<flow_facts> facts_of(const json::object& flow)
{
    const auto guest = endpoint_in(flow, "guest"), remote = endpoint_in(flow, "remote");
    if (!guest || !remote)
        return std::nullopt;
    return flow_facts{
        text_in(flow, "protocol"), text_in(flow, "way"), text_in(flow, "origin"), text_in(flow, "state"), *guest, *remote,
        number_in(flow, "rule")};
}

bool flow_expression::fits(const flow_facts& f, std::size_t at) const
{
    const auto& n = nodes_[at];
    switch (n.what) {
    case sort::compare:
        return holds(f, n);
    case sort::both:
        return fits(f, n.left) && fits(f, n.right);
    case sort::either:
        return fits(f, n.left) || fits(f, n.right);
    case sort::no:
        break;
    }
    return !fits(f, n.left);
}

bool flow_expression::holds(const flow_facts& f, const node& n)
{
    const auto compares = [&](std::optional<std::uint16_t> number) {
        switch (n.by) {
        case comparison::equal:
            return number == n.number;
        case comparison::different:
            return number != n.number;
        case comparison::less:
            return number && *number < *n.number;
        case comparison::more:
            return number && *number > *n.number;
        case comparison::at_most:
            return number && *number <= *n.number;
        case comparison::at_least:
            break;
        }
        return number && *number >= *n.number;
    };
    const bool wanted = n.by == comparison::equal;
    const auto is_at = [&](const endpoint& e) {
        return ((!n.address || n.address->contains(e.address)) && (!n.number || *n.number == e.port)) == wanted;
    };
    switch (n.about) {
    case subject::guest_port:
        return compares(f.guest.port);
    case subject::remote_port:
        return compares(f.remote.port);
    case subject::rule:
        return compares(f.rule);
    case subject::guest:
        return is_at(f.guest);
    case subject::remote:
        return is_at(f.remote);
    case subject::state:
        return (f.state == n.word) == wanted;
    case subject::protocol:
        return (f.protocol == n.word) == wanted;
    case subject::kind:
        return (kind_of(f) == n.word) == wanted;
    case subject::way:
        return (f.way == n.word) == wanted;
    case subject::origin:
        break;
    }
    return (f.origin == n.word) == wanted;
}

json::object flow_expression::filter() const
{
    json::object made;
    if (!nodes_.empty())
        add_to(made, root_);
    return made;
}

/// What every flow that fits has to be: the equations that are joined by `and` alone. Of two for one member the first is enough.
void flow_expression::add_to(json::object& filter, std::size_t at) const
{
    const auto& n = nodes_[at];
    if (n.what == sort::both) {
        add_to(filter, n.left);
        return add_to(filter, n.right);
    }
    if (n.what != sort::compare || n.by != comparison::equal)
        return;
    const auto add_endpoint = [&](std::string_view side) {
        if (n.address)
            filter.emplace(std::string{side} + "_address", to_text(*n.address));
        if (n.number)
            filter.emplace(std::string{side} + "_port", *n.number);
    };
    switch (n.about) {
    case subject::guest_port:
    case subject::guest:
        return add_endpoint("guest");
    case subject::remote_port:
    case subject::remote:
        return add_endpoint("remote");
    case subject::rule:
        return (void)filter.emplace("rule", *n.number);
    case subject::state:
        return (void)filter.emplace("state", n.word);
    case subject::protocol:
        return (void)filter.emplace("protocol", n.word);
    case subject::way:
        return (void)filter.emplace("way", n.word);
    case subject::origin:
        return (void)filter.emplace("origin", n.word);
    case subject::kind:
        break;
    }
    const auto dash = n.word.find('-');
    filter.emplace("protocol", n.word.substr(0, dash));
    filter.emplace("way", dash == std::string::npos ? "tap" : "bypass");
}

} // namespace tapioca::client
