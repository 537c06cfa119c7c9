#include "daemon/client/tapioca_programs.hpp"

#include "daemon/client/tapioca_run.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sys/xattr.h>
#include <unistd.h>

namespace tapioca::client {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view text)
{
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

/// Without what stands behind a number sign, if that is not in a text.
std::string_view without_comment(std::string_view line)
{
    bool in_text = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        in_text ^= line[i] == '"';
        if (line[i] == '#' && !in_text)
            return line.substr(0, i);
    }
    return line;
}

/// What stands behind the equals sign of `key` in the table `[engine]`, up to the end of the list; empty if it is not there.
std::string engine_value(std::string_view text, std::string_view key)
{
    bool in_engine = false, in_value = false;
    std::string value;
    while (!text.empty()) {
        const auto whole = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(whole.size() + 1, text.size()));
        const auto line = trimmed(without_comment(whole));
        if (in_value) {
            value += line;
        } else if (line.starts_with('[')) {
            in_engine = line == "[engine]";
        } else if (in_engine && line.starts_with(key)) {
            const auto rest = trimmed(line.substr(key.size()));
            if (!rest.starts_with('='))
                continue;
            value = trimmed(rest.substr(1));
            in_value = true;
        }
        if (in_value && value.find(']') != std::string::npos)
            break;
    }
    return value;
}

std::string text_of(const fs::path& path)
{
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::string variable(const char* name)
{
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

/// containers.conf(5) and the files beside it, in the order in which the later ones count.
std::vector<fs::path> container_configurations()
{
    if (const auto only = variable("CONTAINERS_CONF"); !only.empty())
        return {only};
    const auto home = variable("XDG_CONFIG_HOME").empty() ? variable("HOME") + "/.config" : variable("XDG_CONFIG_HOME");
    std::vector<fs::path> files;
    for (const auto& base : {std::string{"/usr/share/containers"}, std::string{"/etc/containers"}, home + "/containers"}) {
        files.emplace_back(base + "/containers.conf");
        std::vector<fs::path> more;
        std::error_code error;
        for (const auto& entry : fs::directory_iterator{base + "/containers.conf.d", error})
            if (entry.path().extension() == ".conf")
                more.push_back(entry.path());
        std::ranges::sort(more);
        files.insert(files.end(), more.begin(), more.end());
    }
    return files;
}

std::vector<std::string> podman_directories()
{
    std::vector<std::string> found{"/usr/local/libexec/podman", "/usr/local/lib/podman", "/usr/libexec/podman",
                                   "/usr/lib/podman"};
    for (const auto& file : container_configurations())
        found = helper_directories(text_of(file), std::move(found));
    if (const auto first = variable("CONTAINERS_HELPER_BINARY_DIR"); !first.empty())
        found.insert(found.begin(), first);
    return found;
}

std::string label_of(const std::string& path)
{
    char label[256];
    const auto length = ::getxattr(path.c_str(), "security.selinux", label, sizeof label);
    return length > 0 ? std::string{label, static_cast<std::size_t>(length)} : std::string{};
}

/// Several callers may find the same one.
const program_facts& facts_of(const std::string& path)
{
    static std::map<std::string, program_facts> known;
    const auto [at, is_new] = known.try_emplace(path);
    if (is_new)
        at->second = {path, first_lines(output_of({path, "--version"}), 2), label_of(path)};
    return at->second;
}

} // namespace

std::vector<std::string> helper_directories(std::string_view text, std::vector<std::string> before)
{
    const auto value = engine_value(text, "helper_binaries_dir");
    if (value.empty())
        return before;
    std::vector<std::string> listed;
    for (std::size_t from = 0, begin = 0; (begin = value.find('"', from)) != std::string::npos; from++) {
        const auto end = value.find('"', begin + 1);
        if (end == std::string::npos)
            break;
        listed.push_back(value.substr(begin + 1, end - begin - 1));
        from = end;
    }
    std::string tight;
    std::ranges::copy_if(value, std::back_inserter(tight), [](char c) { return blanks.find(c) == std::string_view::npos; });
    if (tight.find("append=true") == std::string::npos)
        return listed;
    before.insert(before.end(), listed.begin(), listed.end());
    return before;
}

std::vector<std::string> directories_of(std::string_view path)
{
    std::vector<std::string> found;
    while (!path.empty()) {
        const auto one = path.substr(0, path.find(':'));
        path.remove_prefix(std::min(one.size() + 1, path.size()));
        if (!one.empty())
            found.emplace_back(one);
    }
    return found;
}

std::string find_program(const std::vector<std::string>& directories, std::string_view name)
{
    for (const auto& directory : directories) {
        const auto path = directory + '/' + std::string{name};
        std::error_code error;
        if (fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0)
            return path;
    }
    return {};
}

std::vector<caller_facts> read_callers()
{
    const auto path = directories_of(variable("PATH"));
    auto system = path; // where daemons are, which users need not have in theirs
    for (const char* directory : {"/usr/local/sbin", "/usr/sbin", "/sbin"})
        system.emplace_back(directory);
    const auto any_there = [&](std::initializer_list<std::string_view> names) {
        return std::ranges::any_of(names, [&](std::string_view name) { return !find_program(system, name).empty(); });
    };
    auto podman = podman_directories();
    podman.insert(podman.end(), path.begin(), path.end());
    std::vector<caller_facts> callers{{"your shell", "pasta", true, path, {}},
                                      {"your shell", "passt", true, path, {}},
                                      {"Podman", "pasta", any_there({"podman", "buildah"}), std::move(podman), {}},
                                      {"RootlessKit", "pasta", any_there({"rootlesskit"}), path, {}},
                                      {"libvirt", "passt", any_there({"libvirtd", "virtqemud"}), path, {}}};
    for (auto& caller : callers)
        if (const auto found = find_program(caller.searched, caller.program); !found.empty())
            caller.found = facts_of(found);
    return callers;
}

} // namespace tapioca::client
