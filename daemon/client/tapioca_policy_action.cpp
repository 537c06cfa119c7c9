// tapioca policy show, set and lock: where the guest of an instance may connect.
#include "daemon/client/policy_texts.hpp"
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_policy.hpp"
#include "daemon/client/text_table.hpp"
#include "daemon/policy/policy_files.hpp"

#include <cstdio>
#include <cstdlib>

namespace tapioca::client {

namespace json = boost::json;

namespace {

std::string show_policies(const std::vector<said>& all, std::size_t width)
{
    std::string text;
    for (const auto& one : all) {
        if (all.size() > 1)
            text += (text.empty() ? "" : "\n") + std::string{"instance     "} + one.pid + '\n';
        for (const auto& reply : one.replies)
            text += text_of_policy(reply, width);
    }
    return text;
}

/// The files are read here: an instance can open none.
int set_policy(const tapioca_command& command)
{
    policy_findings findings;
    json::array files;
    for (auto& [name, text] : texts_of(command.policy.words, directories_of_user(), findings))
        files.push_back({{"name", name}, {"text", text}});
    for (const auto& finding : findings.all())
        std::fprintf(stderr, "%s\n", to_text(finding).c_str());
    if (findings.has_errors())
        return EXIT_FAILURE;
    const auto reply = connect_to_change(command).call("ReplacePolicy", {{"files", std::move(files)}});
    if (command.json)
        print(json::serialize(reply) + '\n');
    else if (const auto warnings = text_of_findings(reply); !warnings.empty())
        std::fprintf(stderr, "%s\n", warnings.c_str());
    return EXIT_SUCCESS;
}

} // namespace

int run_policy_action(const tapioca_command& command)
{
    if (command.policy.what == policy_action::action::set)
        return set_policy(command);
    if (command.policy.what == policy_action::action::lock) {
        (void)connect_to_change(command).call("LockPolicy");
        return EXIT_SUCCESS;
    }
    return show(
        command, [](control_connection& server) { return std::vector{server.call("GetPolicy")}; }, show_policies);
}

} // namespace tapioca::client
