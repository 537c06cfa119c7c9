#include "daemon/client/tapioca_audit.hpp"

#include "daemon/client/policy_learner.hpp"
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_capture.hpp"
#include "daemon/config/early_exit.hpp"
#include "daemon/config/number_text.hpp"
#include "daemon/os/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>

namespace tapioca::client {
namespace {

using words = std::span<const char* const>;

constexpr std::string_view synopsis = "Usage: tapioca policy learn AUDIT\n"
                                      "       tapioca policy reopen FILE [PID|PATH]\n";

[[noreturn]] void misused(const std::string& why)
{
    throw early_exit{2, "tapioca: " + why + '\n' + std::string{synopsis} + "See tapioca(1).\n", false};
}

int learn(words operands)
{
    if (operands.size() != 1)
        misused("policy learn needs one audit log");
    const std::string path = operands[0];
    std::ifstream file;
    if (path != "-") {
        file.open(path);
        if (!file)
            throw control_failure("Couldn't open " + path);
    }
    policy_learner learner;
    for (std::string line; std::getline(path == "-" ? std::cin : file, line);)
        learner.take(line);
    print(learner.policy());
    return EXIT_SUCCESS;
}

std::string path_of(words operands)
{
    if (operands.empty())
        return changing_path(std::nullopt);
    const std::string which = operands[0];
    const auto pid = parse_number(which, INT_MAX);
    return pid ? changing_path(static_cast<pid_t>(*pid)) : which;
}

int reopen(words operands)
{
    if (operands.empty() || operands.size() > 2)
        misused("policy reopen needs a file, and perhaps an instance");
    control_connection server{path_of(operands.subspan(1))};
    const os::unique_fd file{
        ::open(operands[0], O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (!file)
        throw control_failure("Couldn't open " + std::string{operands[0]} + ": " + std::generic_category().message(errno));
    server.ask("ReopenAuditLog", {}, file.get());
    (void)server.reply();
    return EXIT_SUCCESS;
}

struct action {
    std::string_view name;
    int (*run)(words operands);
};
constexpr action actions[] = {{"learn", learn}, {"reopen", reopen}};

const action* action_of(words all)
{
    if (all.size() < 3 || std::string_view{all[1]} != "policy")
        return nullptr;
    const auto* known = std::ranges::find(actions, std::string_view{all[2]}, &action::name);
    return known == std::end(actions) ? nullptr : known;
}

} // namespace

bool is_audit_action(words all) { return action_of(all) != nullptr; }

int run_audit_action(words all) { return action_of(all)->run(all.subspan(3)); }

} // namespace tapioca::client
