#include "proto/forward/port_spec.hpp"

#include "proto/base/ip_text.hpp"
#include "proto/base/port_set.hpp"

namespace tapioca {
namespace {

constexpr unsigned greatest_port = 65535;
constexpr std::size_t longest_interface_name = 15; ///< IFNAMSIZ of linux/if.h, less the null octet

/// `text` up to the first `mark`, and what follows it; `found` tells "80" from "80:".
struct halves {
    std::string_view before, after;
    bool found = false;
};

halves split(std::string_view text, char mark) noexcept
{
    const auto at = text.find(mark);
    if (at == std::string_view::npos)
        return {text, {}, false};
    return {{text.data(), at}, {text.data() + at + 1, text.size() - at - 1}, true};
}

/// Blanks before a number mean nothing: people write lists as "80, 443".
std::optional<std::uint16_t> parse_port(std::string_view text) noexcept
{
    while (text.starts_with(' '))
        text.remove_prefix(1);
    if (text.empty())
        return std::nullopt;
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9')
            return std::nullopt;
        value = 10 * value + static_cast<unsigned>(c - '0');
        if (value > greatest_port)
            return std::nullopt;
    }
    return static_cast<std::uint16_t>(value);
}

std::optional<port_range> parse_range(std::string_view text) noexcept
{
    const auto [low, high, is_range] = split(text, '-');
    const auto first = parse_port(low);
    const auto last = is_range ? parse_port(high) : first;
    if (!first || !last || *first > *last)
        return std::nullopt;
    return port_range{*first, *last};
}

std::optional<ip_address> parse_address(std::string_view text) noexcept
{
    if (text.starts_with('[') && text.ends_with(']')) {
        text.remove_prefix(1);
        text.remove_suffix(1);
    }
    return ip_from_text(text);
}

struct chunk {
    enum class kind : std::uint8_t { all, automatic, exclusion, ports };
    kind what = kind::ports;
    port_range ports;
    std::uint16_t target_first = 0;
    ip_address target;
};

/// What stands behind the colon of a range.
bool parse_target(std::string_view text, chunk& into) noexcept
{
    auto target_ports = parse_range(text);
    if (!target_ports) {
        const auto [address_text, ports_text, has_ports] = split(text, '/');
        const auto address = parse_address(address_text);
        if (!address)
            return false;
        into.target = *address;
        target_ports = has_ports ? parse_range(ports_text) : into.ports;
    }
    if (!target_ports || target_ports->last - target_ports->first != into.ports.last - into.ports.first)
        return false;
    into.target_first = target_ports->first;
    return true;
}

std::optional<chunk> parse_chunk(std::string_view text) noexcept
{
    if (text == "auto")
        return chunk{.what = chunk::kind::automatic, .ports = {}, .target = {}};
    const bool excludes = text.starts_with('~');
    if (excludes)
        text.remove_prefix(1);
    const auto [ports_text, target_text, has_target] = split(text, ':');
    if (!excludes && ports_text == "all") {
        const auto target = has_target ? parse_address(target_text) : std::optional{ip_address{}};
        if (!target)
            return std::nullopt;
        return chunk{.what = chunk::kind::all, .ports = {1, greatest_port}, .target_first = 1, .target = *target};
    }
    const auto ports = parse_range(ports_text);
    if (!ports || (excludes && has_target))
        return std::nullopt;
    chunk parsed{.what = excludes ? chunk::kind::exclusion : chunk::kind::ports,
                 .ports = *ports,
                 .target_first = ports->first,
                 .target = {}};
    if (has_target && !parse_target(target_text, parsed))
        return std::nullopt;
    return parsed;
}

/// The kernel's own rule (dev_valid_name) for what is short enough and has no blanks.
bool can_name_interface(std::string_view name) noexcept
{
    return name != "." && name != ".." && name.find(':') == std::string_view::npos;
}

bool reads_as_interface(std::string_view name) noexcept
{
    return !name.empty() && name.size() <= longest_interface_name && name.find_first_of(" \t\n\v\f\r") == std::string_view::npos;
}

/// Where the sockets of a value are bound.
struct binding {
    std::optional<ip_address> address; ///< none: all addresses of all families
    std::string_view interface;
};

std::optional<binding> parse_binding(std::string_view text) noexcept
{
    const auto [address_text, interface, has_interface] = split(text, '%');
    if (has_interface && !reads_as_interface(interface))
        return std::nullopt;
    if (address_text.empty() || address_text == "*")
        return binding{std::nullopt, interface};
    const auto address = parse_address(address_text);
    return address ? std::optional{binding{address, interface}} : std::nullopt;
}

class spec_reader {
public:
    spec_reader(forward_rules& table, std::string_view spec, const port_spec_context& context) noexcept
        : table_(table), spec_(spec), context_(context), chunks_(spec)
    {
    }

    std::optional<spec_refusal> read() noexcept
    {
        if (auto refused = take_binding())
            return refused;
        if (auto refused = survey())
            return refused;
        const std::size_t before = table_.size();
        model_.group = static_cast<std::uint8_t>(before);
        auto refused = add_rules();
        while (refused && table_.size() > before)
            table_.pop_back();
        return refused;
    }

private:
    /// The part before the first slash, if it is one: the slash may as well belong to a target.
    std::optional<spec_refusal> take_binding() noexcept
    {
        const auto [bind_text, rest, has_slash] = split(spec_, '/');
        if (const auto parsed = has_slash ? parse_binding(bind_text) : std::nullopt) {
            if (context_.side == rule_side::guest)
                return spec_refusal{spec_fault::address_refused, spec_, {}};
            if (!can_name_interface(parsed->interface))
                return spec_refusal{spec_fault::interface_name, parsed->interface, {}};
            if (!parsed->interface.empty() && !context_.device_binding)
                return spec_refusal{spec_fault::device_binding, spec_, {}};
            binding_ = *parsed;
            chunks_ = rest;
        } else if (context_.side == rule_side::guest && context_.device_binding) {
            binding_.interface = "lo";
        }
        return std::nullopt;
    }

    /// What holds for the whole value, wherever in it it stands.
    std::optional<spec_refusal> survey() noexcept
    {
        model_.protocol = context_.protocol;
        model_.best_effort = true;
        model_.interface.assign(binding_.interface);
        for (halves rest{{}, chunks_, true}; rest.found;) {
            rest = split(rest.after, ',');
            const auto parsed = parse_chunk(rest.before);
            if (!parsed)
                return spec_refusal{spec_fault::syntax, chunks_, {}};
            switch (parsed->what) {
            case chunk::kind::automatic:
                if (!context_.auto_allowed)
                    return spec_refusal{spec_fault::auto_refused, rest.before, {}};
                model_.scan = true;
                break;
            case chunk::kind::all:
                all_ = *parsed;
                break;
            case chunk::kind::exclusion:
                take_out(parsed->ports);
                break;
            case chunk::kind::ports:
                model_.best_effort = false;
                break;
            }
        }
        return std::nullopt;
    }

    std::optional<spec_refusal> add_rules() noexcept
    {
        if (model_.best_effort) {
            take_out(context_.ephemeral);
            return add_runs(all_);
        }
        for (halves rest{{}, chunks_, true}; rest.found;) {
            rest = split(rest.after, ',');
            if (const auto parsed = parse_chunk(rest.before); parsed && parsed->what == chunk::kind::ports)
                if (auto refused = add_runs(*parsed))
                    return refused;
        }
        return std::nullopt;
    }

    /// A rule for each run of ports that no exclusion interrupts.
    std::optional<spec_refusal> add_runs(const chunk& of) noexcept
    {
        for (unsigned port = of.ports.first; port <= of.ports.last; ++port) {
            const unsigned first = port;
            while (port <= of.ports.last && !excluded_.test(static_cast<std::uint16_t>(port)))
                ++port;
            if (port == first)
                continue;
            model_.first = static_cast<std::uint16_t>(first);
            model_.last = static_cast<std::uint16_t>(port - 1);
            model_.target_first = static_cast<std::uint16_t>(of.target_first + first - of.ports.first);
            model_.target = of.target.is_unspecified() ? ip_address{} : of.target;
            if (auto refused = add_on_stacks())
                return refused;
        }
        return std::nullopt;
    }

    std::optional<spec_refusal> add_on_stacks() noexcept
    {
        const bool loopback_by_address = context_.side == rule_side::guest && !context_.device_binding;
        if (!loopback_by_address)
            return add_on(binding_.address);
        if (context_.enabled.ipv4)
            if (auto refused = add_on(ip_address::loopback(ip_family::ipv4)))
                return refused;
        return context_.enabled.ipv6 ? add_on(ip_address::loopback(ip_family::ipv6)) : std::nullopt;
    }

    std::optional<spec_refusal> add_on(const std::optional<ip_address>& address) noexcept
    {
        forward_rule rule = model_;
        const auto& enabled = context_.enabled;
        if (address) {
            rule.stack = address->is_v4() ? listen_stack::ipv4 : listen_stack::ipv6;
            rule.address = *address;
        } else if (enabled.ipv4 && !enabled.ipv6) {
            rule.stack = listen_stack::ipv4;
            rule.address = ip_address::v4(0);
        } else if (enabled.ipv6 && !enabled.ipv4) {
            rule.stack = listen_stack::ipv6;
        }
        if (auto refused = add_rule(table_, rule, enabled))
            return spec_refusal{spec_fault::rule, spec_, *refused};
        return std::nullopt;
    }

    void take_out(const port_range& range) noexcept
    {
        for (unsigned port = range.first; port <= range.last; ++port)
            excluded_.set(static_cast<std::uint16_t>(port));
    }

    forward_rules& table_;
    std::string_view spec_;
    const port_spec_context& context_;
    std::string_view chunks_; ///< the value without its binding
    binding binding_;
    chunk all_{.what = chunk::kind::all, .ports = {1, greatest_port}, .target_first = 1, .target = {}};
    port_set excluded_;
    forward_rule model_; ///< what all rules of the value share
};

bool has_rules(const forward_rules& table, octet protocol) noexcept
{
    for (const forward_rule& rule : table)
        if (rule.protocol == protocol)
            return true;
    return false;
}

} // namespace

std::optional<spec_refusal> add_port_spec(forward_rules& table, std::string_view spec, const port_spec_context& context) noexcept
{
    if (spec != "none")
        return spec_reader{table, spec, context}.read();
    if (has_rules(table, context.protocol))
        return spec_refusal{spec_fault::none_after_rules, spec, {}};
    return std::nullopt;
}

} // namespace tapioca
