// tapioca upgrade: instances are started anew, each of which takes the place of the old one (--take-over). The old one tells how
// it was started. One that nothing takes the place of goes on, and is named.
#include "daemon/client/json_text.hpp"
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_programs.hpp"
#include "daemon/client/tapioca_run.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

#include <cstdlib>
#include <optional>

namespace tapioca::client {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds longest_start{30};

/// Which file the shell would have started by that word.
std::string path_of_program(const std::string& word)
{
    if (word.find('/') != word.npos)
        return word;
    const char* path = std::getenv("PATH");
    const auto found = find_program(directories_of(path != nullptr ? path : ""), word);
    if (found.empty())
        throw control_failure("there is no program " + word + " in $PATH: name it by --program");
    return found;
}

/// The command line of a successor.
std::vector<std::string> words_of_successor(const json::object& info, const std::string& program)
{
    const auto* told = info.if_contains("start_words");
    if (told == nullptr || !told->is_array() || told->as_array().empty())
        throw control_failure(
            "it can't be started anew: that needs --control PATH, and a machine's socket, PID or --netns, without egress policy, "
            "audit log, --fd and --exit-fd");
    auto words = json::value_to<std::vector<std::string>>(*told);
    words.front() = program.empty() ? path_of_program(words.front()) : program;
    words.insert(words.begin() + 1, {"--take-over", text_in(info, "control_path")});
    return words;
}

/// A successor tells the service manager only if it is its service's main process that it replaces (systemd.service(5),
/// ExecReload=).
class service_environment {
public:
    void restrict_to(const json::value& main) const
    {
        if (notify_ && pid_ == json::serialize(main))
            ::setenv(name, notify_->c_str(), 1);
        else
            ::unsetenv(name);
    }

private:
    static constexpr const char* name = "NOTIFY_SOCKET";
    static std::optional<std::string> variable(const char* of)
    {
        const char* value = std::getenv(of);
        return value != nullptr ? std::optional<std::string>{value} : std::nullopt;
    }

    std::optional<std::string> notify_ = variable(name), pid_ = variable("MAINPID");
};

/// What became of it: the process id and the version before, and now.
json::object upgrade(const json::object& info, const std::string& program)
{
    const auto words = words_of_successor(info, program);
    const auto done = start_in_background(words, text_in(info, "start_directory"), longest_start);
    if (done.status == 127 || done.status == 126)
        throw control_failure("couldn't start " + words.front() + " in " + text_in(info, "start_directory"));
    if (done.status != 0)
        throw control_failure(done.output.empty()
                                  ? "the new process is not ready after " + std::to_string(longest_start.count()) + " s"
                                  : first_lines(done.output, 5));
    const auto now = control_connection{text_in(info, "control_path")}.call("GetInfo");
    return {{"was", info.at("pid")}, {"was_version", info.at("version")}, {"pid", now.at("pid")}, {"version", now.at("version")}};
}

std::string told(const json::object& done)
{
    const auto version = text_in(done, "version"), was = text_in(done, "was_version");
    return "process " + text_in(done, "pid") + " goes on in the place of " + text_in(done, "was") + ", version " + version +
           (version == was ? "" : " in place of " + was) + '\n';
}

/// Those that are meant; several only if all are.
std::vector<json::object> meant(tapioca_command command)
{
    if (command.path)
        return {control_connection{*command.path}.call("GetInfo")};
    const bool all = command.name == "all";
    if (all)
        command.name.clear();
    const auto found = wanted_instances(command);
    if (found.empty() || (found.size() > 1 && !all))
        throw control_failure(found.empty() ? "there is no instance"
                                            : "there are several instances: name one by its PID, or all of them as 'all'");
    std::vector<json::object> infos;
    for (const auto& one : found)
        infos.push_back(control_connection{one}.call("GetInfo"));
    return infos;
}

} // namespace

int run_upgrade(const tapioca_command& command)
{
    int status = EXIT_SUCCESS;
    const service_environment service;
    for (const auto& info : meant(command)) {
        try {
            service.restrict_to(info.at("pid"));
            const auto done = upgrade(info, command.program);
            print(command.json ? json::serialize(done) + '\n' : told(done));
        } catch (const control_failure& failure) {
            complain("process " + json::serialize(info.at("pid")) + " goes on as it is: " + failure.what());
            status = EXIT_FAILURE;
        }
    }
    return status;
}

} // namespace tapioca::client
