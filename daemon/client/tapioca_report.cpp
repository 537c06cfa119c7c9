// tapioca report: one text with what a report of a fault should tell.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_command_words.hpp"
#include "daemon/client/tapioca_findings.hpp"
#include "daemon/client/tapioca_run.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/config/resolv_conf.hpp"
#include "daemon/os/host_facts.hpp"
#include "daemon/os/random.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sys/utsname.h>

namespace tapioca::client {
namespace {

namespace json = boost::json;

constexpr std::size_t log_lines = 20, longest_tail = 16384;

std::string heading(const std::string& text) { return '\n' + text + '\n' + std::string(text.size(), '-') + '\n'; }

std::string text_in(const std::string& path)
{
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::string distribution()
{
    const auto text = text_in("/etc/os-release");
    const std::string_view key = "\nPRETTY_NAME=";
    const auto at = ('\n' + text).find(key);
    return at == std::string::npos ? "unknown" : first_lines(std::string_view{text}.substr(at + key.size() - 1), 1);
}

std::string system_text(const machine& m)
{
    utsname kernel{};
    (void)::uname(&kernel);
    return heading("System") + "tapioca: " + m.own_version + "\nkernel: " + kernel.sysname + ' ' + kernel.release + ' ' +
           kernel.machine + "\ndistribution: " + distribution() + "\nuser: " + (m.user == 0 ? "root" : "an ordinary one") + '\n';
}

/// Numbers that are not 0, each in a line.
std::string counts_text(const json::object& counters)
{
    std::string text;
    const auto* total = counters.if_contains("total");
    if (total == nullptr || !total->is_object())
        return text;
    for (const auto& [group, counts] : total->get_object())
        for (const auto& [name, value] : counts.is_object() ? counts.get_object() : json::object{})
            if (value != 0)
                text += std::string{group} + ' ' + std::string{name} + ' ' + json::serialize(value) + '\n';
    return text;
}

std::string word_of(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_string() ? json::value_to<std::string>(*value) : std::string{};
}

/// How many flows there are of each sort: no addresses.
std::string flows_text(control_connection& server)
{
    std::map<std::string, std::size_t> sorts;
    server.call("ListFlows", [&](const json::object& reply) {
        const auto* flows = reply.if_contains("flows");
        for (const auto& flow : flows != nullptr && flows->is_array() ? flows->get_array() : json::array{})
            if (flow.is_object()) {
                const auto& known = flow.get_object();
                ++sorts[word_of(known, "protocol") + ' ' + word_of(known, "way") + " from " + word_of(known, "origin")];
            }
    });
    std::string text;
    for (const auto& [sort, count] : sorts)
        text += sort + ": " + std::to_string(count) + '\n';
    return text.empty() ? "none\n" : text;
}

std::string rules_text(const json::object& reply)
{
    std::string text;
    const auto* rules = reply.if_contains("rules");
    for (const auto& rule : rules != nullptr && rules->is_array() ? rules->get_array() : json::array{})
        if (rule.is_object())
            text += word_of(rule.get_object(), "side") + ' ' + word_of(rule.get_object(), "text") + '\n';
    return text.empty() ? "none\n" : text;
}

/// The last lines of the log file that the command line names.
std::string log_text(const std::vector<std::string>& words)
{
    const auto path = value_of_option(words, "l", "log-file");
    if (path.empty())
        return "none is known\n";
    std::ifstream file{path};
    if (!file)
        return path + " can't be read\n";
    file.seekg(0, std::ios::end);
    const auto size = static_cast<std::size_t>(std::max<std::streamoff>(file.tellg(), 0));
    file.seekg(static_cast<std::streamoff>(size - std::min(size, longest_tail)));
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    auto from = text.size();
    for (std::size_t lines = 0; from > 0 && (lines < log_lines || text[from - 1] != '\n'); --from)
        lines += text[from - 1] == '\n' && from != text.size() ? 1 : 0;
    return text.substr(from);
}

void hide_names_of(pseudonyms& names, const json::object& info, const std::vector<std::string>& words)
{
    hide_words(names, words);
    for (const char* path : {"namespace", "control_path"})
        names.hide_path(word_of(info, path).starts_with('/') ? word_of(info, path) : "");
}

/// What one instance tells; `names` learns what is to be hidden.
std::string instance_text(control_connection& server, const tapioca_command& command, pseudonyms& names)
{
    const auto info = server.call("GetInfo");
    const auto* pid = info.if_contains("pid");
    const auto words = command_words(pid != nullptr && pid->is_int64() ? static_cast<pid_t>(pid->get_int64()) : 0);
    hide_names_of(names, info, words);
    std::string line;
    for (const auto& word : words)
        line += (line.empty() ? "" : " ") + word;
    auto text = heading("Instance " + (pid != nullptr ? json::serialize(*pid) : std::string{"?"})) +
                "command line: " + (words.empty() ? "not told" : line) + '\n';
    for (const auto& [name, value] : info)
        text += std::string{name} + ": " + json::serialize(value) + '\n';
    text += "\nRules:\n" + rules_text(server.call("ListRules")) + "\nFlows:\n" + flows_text(server) +
            "\nCounters that are not 0:\n" + counts_text(server.call("GetCounters")) + "\nLast lines of the log:\n";
    return text + (command.anonymous ? "left out\n" : log_text(words));
}

void hide_names_of_machine(pseudonyms& names, const machine& m)
{
    const auto host = os::host_name();
    for (const std::string& name : {host, host.substr(0, host.find('.')), m.user == 0 ? std::string{} : m.user_name})
        names.hide(name);
    for (const auto& domain : parse_resolv_conf(m.resolv_conf.content).search)
        names.hide(domain);
    names.hide_path(m.resolv_conf.link_target);
    for (const auto& caller : m.callers)
        for (const auto& directory : caller.searched)
            names.hide_path(directory);
}

} // namespace

int run_report(const tapioca_command& command)
{
    pseudonyms names{os::random_key()};
    const auto m = read_machine();
    hide_names_of_machine(names, m);
    std::string text = "Report by tapioca\n" + system_text(m);
    bool whole = true;
    const auto add = [&](auto&& where) {
        try {
            control_connection server{where};
            text += instance_text(server, command, names);
        } catch (const control_failure& failure) {
            text += heading("An instance that does not answer") + failure.what() + '\n';
            whole = false;
        }
    };
    if (command.path)
        add(*command.path);
    else
        for (const auto& one : wanted_instances(command))
            add(one);
    text += heading("What doctor finds") + findings_as_text(diagnose(m), 0, false);
    if (command.anonymous)
        text += "\nAddresses and names are stand-ins.\n";
    print(command.anonymous ? names.replaced(text) : text);
    return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace tapioca::client
