// The front of the language: TOML by toml++ to what is written.
#include "daemon/policy/policy_words.hpp"
#include "daemon/policy/written_policy.hpp"

#include <algorithm>

// toml++ 3.3 asserts of some texts ("[&", "[[[1]]]") what does not hold, and assumes it where NDEBUG is defined; the code behind
// it reports them as it should. So it is to do neither.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace tapioca {
namespace {

constexpr std::string_view keys = "profile mode allow deny tls dns_types limit";
constexpr std::string_view rule_keys = "name address port protocol private";
constexpr std::string_view limit_keys = "rate connections quota";
constexpr auto most_connections = UINT32_MAX;
constexpr std::uint16_t type_svcb = 64, type_https = 65, type_axfr = 252, type_any = 255;

std::string listed(std::string_view words)
{
    std::string list{words};
    for (auto at = list.find(' '); at != list.npos; at = list.find(' ', at + 2))
        list.replace(at, 1, ", ");
    return list;
}

/// The end of a text or comment that begins here, or the next character if none does. One that is cut is an error of the parser.
std::size_t behind_text(std::string_view toml, std::size_t at)
{
    const char quote = toml[at];
    if (quote == '#')
        return std::min(toml.find('\n', at), toml.size());
    if (quote != '"' && quote != '\'')
        return at + 1;
    const std::string triple(3, quote);
    const auto delimiter = toml.substr(at).starts_with(triple) ? triple : triple.substr(2);
    for (at += delimiter.size(); at < toml.size(); ++at) {
        if (toml.substr(at).starts_with(delimiter))
            return at + delimiter.size();
        if (quote == '"' && toml[at] == '\\')
            ++at;
        else if (toml[at] == '\n' && delimiter.size() == 1)
            return at;
    }
    return toml.size();
}

/// TOML has characters that are not ASCII in texts and comments alone; toml++ 3.3 asks itself of others what blanks they are, and
/// for most of them that is undefined behaviour.
bool has_foreign_characters(std::string_view toml, const std::string& file, policy_findings& findings)
{
    std::size_t at = 0;
    while (at < toml.size() && static_cast<unsigned char>(toml[at]) < 0x80)
        at = behind_text(toml, at);
    if (at >= toml.size())
        return false;
    const auto line = static_cast<unsigned>(std::ranges::count(toml.substr(0, at), '\n')) + 1;
    findings.error({file, line, {}}, {}, "it is no TOML: a character that is not ASCII stands outside of a text",
                   "put it in quotation marks");
    return true;
}

class policy_reader {
public:
    policy_reader(const std::string& file, policy_findings& findings, name_libraries use)
        : file_(file), findings_(findings), use_(use)
    {
    }

    written_policy read(const toml::table& root)
    {
        for (const auto& [key, node] : root)
            take(key.str(), key.source(), node);
        std::ranges::stable_sort(policy_.rules, {}, [](const written_rule& r) { return r.place.line; });
        return std::move(policy_);
    }

private:
    policy_place at(const toml::source_region& where, std::string_view key) const
    {
        return {file_, static_cast<unsigned>(where.begin.line), std::string{key}};
    }
    policy_place at(const toml::node& node, std::string_view key) const { return at(node.source(), key); }

    void unknown(const toml::source_region& where, std::string_view key, std::string_view known, std::string_view prefix = {})
    {
        const auto near = similar_word(key, known);
        findings_.error(at(where, std::string{prefix}.append(key)), {}, "there is no such key",
                        near.empty() ? "the keys are " + listed(known) : "perhaps " + std::string{near} + " is meant");
    }

    /// A text, or a finding.
    std::optional<std::string> text_of(const toml::node& node, std::string_view key, const std::string& wanted)
    {
        if (auto text = node.value_exact<std::string>())
            return text;
        findings_.error(at(node, key), {}, "it is no text", wanted);
        return std::nullopt;
    }

    void take(std::string_view key, const toml::source_region& where, const toml::node& node)
    {
        if (key == "profile")
            take_profile(node);
        else if (key == "mode")
            take_mode(node);
        else if (key == "allow" || key == "deny")
            take_rules(key == "allow" ? egress_action::allow : egress_action::deny, key, node);
        else if (key == "tls")
            take_tls(node);
        else if (key == "dns_types")
            take_dns_types(node);
        else if (key == "limit")
            take_limits(node);
        else
            unknown(where, key, keys);
    }

    void take_profile(const toml::node& node)
    {
        const auto cure = "profiles are " + profile_words();
        const auto word = text_of(node, "profile", cure);
        if (word && !(policy_.profile = profile_of(*word)))
            findings_.error(at(node, "profile"), *word, "there is no such profile", cure);
    }

    void take_mode(const toml::node& node)
    {
        const std::string cure = "write \"enforce\", or \"audit\" to record what would be denied and let it pass";
        const auto word = text_of(node, "mode", cure);
        if (word && !(policy_.mode = mode_word(*word)))
            findings_.error(at(node, "mode"), *word, "there is no such mode", cure);
    }

    void take_tls(const toml::node& node)
    {
        const std::string cure = "write \"sni\", or leave it out";
        const auto word = text_of(node, "tls", cure);
        if (word && *word == "sni")
            policy_.tls_names = at(node, "tls");
        else if (word)
            findings_.error(at(node, "tls"), *word, "there is no such check", cure);
    }

    void take_dns_types(const toml::node& node)
    {
        const std::string cure = "write a list, as [\"TXT\", \"MX\"]";
        policy_.dns_types_from = at(node, "dns_types");
        const auto* list = node.as_array();
        if (list == nullptr)
            return findings_.error(at(node, "dns_types"), {}, "it is no list", cure);
        for (const auto& element : *list) {
            const auto word = text_of(element, "dns_types", cure);
            if (!word)
                continue;
            const auto type = dns_type_of(*word);
            const auto why = type ? why_not(*type) : "there is no such type of records";
            if (why.empty())
                policy_.dns_types.push_back(*type);
            else
                findings_.error(at(element, "dns_types"), *word, std::string{why},
                                type ? "leave it out" : "write its name, or TYPE and its number");
        }
        std::ranges::sort(policy_.dns_types);
        policy_.dns_types.erase(std::unique(policy_.dns_types.begin(), policy_.dns_types.end()), policy_.dns_types.end());
    }

    static std::string_view why_not(std::uint16_t type)
    {
        if (type == *dns_type_of("A") || type == *dns_type_of("AAAA"))
            return "addresses are asked for in any case";
        if (type == type_svcb || type == type_https)
            return "it would hide names from the policy, and is answered without data";
        return type >= type_axfr && type <= type_any ? "it asks for more than one type" : "";
    }

    void take_limits(const toml::node& node)
    {
        const auto* table = node.as_table();
        if (table == nullptr)
            return findings_.error(at(node, "limit"), {}, "it is no table", "write [limit] in a line of its own");
        for (const auto& [key, value] : *table) {
            if (key == "rate")
                take_rate(value);
            else if (key == "connections")
                take_connections(value);
            else if (key == "quota")
                take_quota(value);
            else
                unknown(key.source(), key.str(), limit_keys, "limit.");
        }
    }

    void take_rate(const toml::node& node)
    {
        const std::string cure = "write a number of bits a second and its unit: bit, kbit, mbit or gbit, as \"50mbit\"";
        const auto text = text_of(node, "limit.rate", cure);
        if (!text)
            return;
        if (const auto rate = parse_rate(*text))
            policy_.limits.octets_per_second = *rate;
        else
            findings_.error(at(node, "limit.rate"), *text, "it is no rate", cure);
    }

    void take_connections(const toml::node& node)
    {
        const auto number = node.value_exact<std::int64_t>();
        if (number && *number > 0 && *number <= most_connections)
            policy_.limits.connections = static_cast<std::uint32_t>(*number);
        else
            findings_.error(at(node, "limit.connections"), number ? std::to_string(*number) : "",
                            "it is no number of connections",
                            "write 1 to " + std::to_string(most_connections) + " without quotation marks, or leave it out");
    }

    void take_quota(const toml::node& node)
    {
        const std::string cure =
            "write octets and a period, as \"5GiB/day\": KB, MB, GB, TB, KiB, MiB, GiB or TiB; a minute, hour, day or week";
        const auto text = text_of(node, "limit.quota", cure);
        if (!text)
            return;
        if (const auto quota = parse_quota(*text)) {
            policy_.limits.quota = quota->octets;
            policy_.limits.quota_period = quota->period;
        } else {
            findings_.error(at(node, "limit.quota"), *text, "it is no quota", cure);
        }
    }

    void take_rules(egress_action action, std::string_view key, const toml::node& node)
    {
        const auto* list = node.as_array();
        if (list == nullptr)
            return findings_.error(at(node, key), {}, "it is no list", "write " + std::string{key} + " = [\"example.com:443\"]");
        for (const auto& element : *list) {
            if (const auto* table = element.as_table())
                take_rule_table(action, key, *table);
            else if (const auto text = text_of(element, key, "write a text, as \"example.com:443\", or a table"))
                take_rule_text(action, at(element, key), *text);
        }
    }

    void take_rule_text(egress_action action, policy_place place, const std::string& text)
    {
        auto target = parse_target(text, use_);
        if (const auto* fault = std::get_if<target_fault>(&target))
            findings_.error(std::move(place), text, fault->what, fault->cure);
        else
            policy_.rules.push_back({action, std::move(place), text, std::get<egress_target>(std::move(target))});
    }

    /// What a part of a rule means, or a finding.
    template <class T>
    std::optional<T> part(target_or_fault<T> parsed, const toml::node& node, const std::string& key, const std::string& value)
    {
        if (const auto* fault = std::get_if<target_fault>(&parsed)) {
            findings_.error(at(node, key), value, fault->what, fault->cure);
            return std::nullopt;
        }
        return std::get<T>(std::move(parsed));
    }

    void take_rule_table(egress_action action, std::string_view key, const toml::table& table)
    {
        egress_target target;
        bool good = true;
        for (const auto& [name, value] : table)
            good = take_rule_part(target, std::string{key} + '.', name, value) && good;
        const bool named = table.contains("name");
        if (named == table.contains("address")) {
            findings_.error(at(table, key), {},
                            named ? "a rule has a name or an address" : "the rule has neither a name nor an address",
                            "write name = \"example.com\" or address = \"192.0.2.1\"");
            good = false;
        }
        if (good)
            policy_.rules.push_back({action, at(table, key), to_text(target), target});
    }

    /// False if there was something to find.
    bool take_rule_part(egress_target& target, const std::string& above, const toml::key& key, const toml::node& node)
    {
        const auto name = std::string{key.str()};
        if (rule_keys.find(name) == rule_keys.npos || similar_word(name, rule_keys) != name) {
            unknown(key.source(), name, rule_keys, above);
            return false;
        }
        if (name == "private")
            return take_private(target, above + name, node);
        if (name == "port")
            return take_ports(target, above + name, node);
        const auto text =
            text_of(node, above + name, name == "protocol" ? "protocols are tcp, udp and echo" : "write it in quotation marks");
        if (!text)
            return false;
        if (name == "protocol") {
            const auto protocol = part(parse_protocol(*text), node, above + name, *text);
            target.protocol = protocol.value_or(egress_protocol::any);
            return protocol.has_value();
        }
        const auto host =
            part(name == "name" ? parse_name_pattern(*text, use_) : parse_network(*text), node, above + name, *text);
        if (host)
            target.host = *host;
        return host.has_value();
    }

    bool take_private(egress_target& target, const std::string& key, const toml::node& node)
    {
        const auto value = node.value_exact<bool>();
        target.private_addresses = value.value_or(false);
        if (!value)
            findings_.error(at(node, key), {}, "it is neither true nor false",
                            "write true without quotation marks, or leave it out");
        return value.has_value();
    }

    /// A number, a text such as "80,8000-8100", or a list of both.
    bool take_ports(egress_target& target, const std::string& key, const toml::node& node)
    {
        if (const auto* list = node.as_array()) {
            const bool all_good =
                std::ranges::all_of(*list, [&](const toml::node& e) { return !e.is_array() && take_ports(target, key, e); });
            if (list->empty() || !all_good)
                findings_.error(at(node, key), {}, "it is no list of ports", "as [80, 443, \"8000-8100\"]");
            return all_good && !list->empty();
        }
        std::string text = node.value_exact<std::string>().value_or("");
        if (const auto number = node.value_exact<std::int64_t>())
            text = std::to_string(*number);
        const auto ports = part(parse_ports(text), node, key, text);
        if (ports) {
            target.ports.insert(target.ports.end(), ports->begin(), ports->end());
            target.ports = merged_ports(std::move(target.ports));
        }
        return ports.has_value();
    }

    const std::string& file_;
    policy_findings& findings_;
    name_libraries use_;
    written_policy policy_;
};

} // namespace

written_policy read_policy(std::string_view text, const std::string& file, policy_findings& findings, name_libraries use)
{
    if (has_foreign_characters(text, file, findings))
        return {};
    const auto parsed = toml::parse(text, std::string_view{file});
    if (parsed)
        return policy_reader{file, findings, use}.read(parsed.table());
    const auto& error = parsed.error();
    findings.error({file, static_cast<unsigned>(error.source().begin.line), {}}, {},
                   "it is no TOML: " + std::string{error.description()},
                   "column " + std::to_string(error.source().begin.column) + ", see https://toml.io");
    return {};
}

} // namespace tapioca
