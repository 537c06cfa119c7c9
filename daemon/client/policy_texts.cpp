#include "daemon/client/policy_texts.hpp"

#include "daemon/client/json_text.hpp"
#include "daemon/client/text_table.hpp"
#include "daemon/client/watch_page.hpp"
#include "daemon/policy/policy_finding.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

void add_line(std::string& text, std::string_view name, const std::string& value)
{
    constexpr std::size_t column = 13;
    if (!value.empty())
        text.append(name).append(column - name.size(), ' ').append(printable(value)) += '\n';
}

bool is_true(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

/// web.toml:3; a profile's own word has no line that anybody wants.
std::string place_of(const json::object& rule) { return text_in(rule, "file") + ':' + text_in(rule, "line"); }

std::string words_of_rule(const json::object& rule)
{
    return "rule " + text_in(rule, "number") + ", " + text_in(rule, "action") + " \"" + text_in(rule, "text") + "\" (" +
           place_of(rule) + ')';
}

std::string classes_in(const json::object& answer)
{
    const auto classes = text_in(answer, "classes");
    return classes.empty() ? "" : ", of " + classes;
}

std::string words_of_ground(const json::object& reply, const json::object& answer)
{
    const auto ground = text_in(answer, "ground");
    const auto* rule = object_in(answer, "rule");
    if (rule != nullptr && (ground == "rule" || ground == "name")) {
        const auto name = text_in(answer, "name");
        return "by " + words_of_rule(*rule) + (name.empty() ? "" : ", as " + name + " has led there");
    }
    if (ground == "profile")
        return "by the profile " + text_in(reply, "profile") + ", as no rule speaks of it";
    if (ground == "resolver")
        return "as it is the resolver, which is asked for names";
    if (ground == "around_names")
        return "as rules with names need queries that can be read";
    if (ground == "around_tls")
        return "as QUIC hides the server name that tls = \"sni\" needs";
    return "as there is no policy";
}

std::string line_of_answer(const json::object& reply, const json::object& answer, const std::string& service)
{
    const auto asked = text_in(answer, "address"), verdict = text_in(answer, "verdict");
    const auto* judged = object_in(answer, "judged");
    if (judged == nullptr)
        return "impossible  " + asked + ' ' + service + ": " + text_in(answer, "words");
    auto line = (verdict == "allow" ? "allowed  " : "denied   ") + asked + ' ' + service;
    if (const auto means = text_in(*judged, "address"); means != asked)
        line += " (the host's " + means + ')';
    line += classes_in(answer) + ": " + words_of_ground(reply, answer);
    if (verdict == "deny" && is_true(answer, "passes"))
        line += "; but the mode is audit, so that it passes";
    return line;
}

std::string line_of_name(const json::object& asked)
{
    const auto* rule = object_in(asked, "rule");
    return std::string{is_true(asked, "may_ask") ? "may be asked for  " : "is not asked for  "} + text_in(asked, "name") + ": " +
           (rule == nullptr ? "no rule speaks of it" : "by " + words_of_rule(*rule));
}

} // namespace

std::string text_of_findings(const json::object& reply)
{
    std::string text;
    for (const auto* found : objects_in(reply, "findings")) {
        const policy_finding finding{
            .severity = text_in(*found, "severity") == "error" ? policy_severity::error : policy_severity::warning,
            .place = {text_in(*found, "file"), static_cast<unsigned>(number_in(*found, "line")), text_in(*found, "key")},
            .value = text_in(*found, "value"),
            .what = text_in(*found, "what"),
            .cure = text_in(*found, "cure")};
        text += (text.empty() ? "" : "\n") + to_text(finding);
    }
    return text;
}

std::string text_of_policy(const json::object& reply, std::size_t width)
{
    const auto* policy = object_in(reply, "policy");
    if (policy == nullptr)
        return {};
    std::string text;
    add_line(text, "profile", text_in(*policy, "profile"));
    add_line(text, "mode", text_in(*policy, "mode"));
    add_line(text, "tls", text_in(*policy, "tls"));
    add_line(text, "dns_types", text_in(*policy, "dns_types"));
    if (const auto* limits = object_in(*policy, "limit"))
        for (const auto name : {"rate", "connections", "quota"})
            add_line(text, name, text_in(*limits, name));
    add_line(text, "changes",
             is_true(reply, "fixed")    ? "none, as there is no --egress"
             : is_true(reply, "locked") ? "only to what is narrower: it is locked"
                                        : "any");
    text_table rules{{"RULE", "ACTION", "WHOM", "WHERE"}};
    for (const auto* rule : objects_in(*policy, "rules"))
        rules.add({text_in(*rule, "number"), text_in(*rule, "action"), text_in(*rule, "text"), place_of(*rule)});
    return text + (rules.empty() ? "" : '\n' + rules.text(width));
}

std::string text_of_reasons(const json::object& reply, const std::string& service)
{
    std::string text;
    if (const auto* asked = object_in(reply, "asked"))
        text += printable(line_of_name(*asked)) + '\n';
    const auto answers = objects_in(reply, "answers");
    for (const auto* answer : answers)
        text += printable(line_of_answer(reply, *answer, service)) + '\n';
    if (answers.empty())
        text += "no address is known: the guest has not asked for that name, or no rule has a name\n";
    return text;
}

} // namespace tapioca::client
