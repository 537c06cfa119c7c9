// Which programs would be started, and what confines them.
#include "daemon/client/tapioca_diagnosis.hpp"

#include <algorithm>

namespace tapioca::client {
namespace {

bool is_ours(const program_facts& program) { return program.version.find("Part of tapioca.") != std::string::npos; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// The version behind the program's name.
std::string version_of(const program_facts& program)
{
    const auto line = first_line(program.version);
    return line.substr(line.find(' ') + 1);
}

std::string list_of(const std::vector<std::string>& directories)
{
    std::string text;
    for (const auto& one : directories)
        text += (text.empty() ? "" : ":") + one;
    return text.empty() ? "an empty $PATH" : text;
}

std::string how_to_prefer(std::string_view caller)
{
    if (caller == "Podman")
        return "In containers.conf, below [engine]: helper_binaries_dir = [\"DIRECTORY OF TAPIOCA'S PASTA\", {append=true}]; "
               "'podman "
               "info' shows which one is found";
    return "Put the directory of the other one in front, in the $PATH of whoever starts it; on Debian: update-alternatives "
           "--config passt";
}

void check_caller(const caller_facts& caller, const machine& m, findings& out)
{
    const auto about = "callers";
    const auto who = std::string{caller.caller}, program = std::string{caller.program};
    if (!caller.found) {
        const bool by_hand = caller.caller == "your shell";
        out.push_back({by_hand ? grade::hint : grade::fault, about,
                       who + " finds no " + program + " in " + list_of(caller.searched),
                       "Install tapioca there, or for " + who + " have its directory in $PATH"});
        return;
    }
    const auto found = who + " finds " + caller.found->path;
    if (caller.found->version.empty())
        out.push_back({grade::fault, about, found + ", which says nothing when asked for its --version: it cannot be run",
                       "Install its package anew, and look whether a security module or a mount with noexec forbids it"});
    else if (!is_ours(*caller.found))
        out.push_back({grade::hint, about, found + ", which is another make: " + first_line(caller.found->version),
                       "If it is to be tapioca's: " + how_to_prefer(caller.caller)});
    else if (version_of(*caller.found) != m.own_version)
        out.push_back({grade::hint, about,
                       found + " of version " + version_of(*caller.found) + ", but this tapioca is " + m.own_version,
                       "If there are two installations, remove one"});
    else
        out.push_back({grade::good, about, found + ", which is tapioca's", ""});
}

bool is_about_us(std::string_view name) { return name.find("passt") != name.npos || name.find("pasta") != name.npos; }

void check_apparmor(const machine& m, findings& out)
{
    for (const auto& profile : m.apparmor_profiles)
        if (is_about_us(profile) && !profile.starts_with("tapioca") && profile.find("complain") == std::string::npos)
            out.push_back(
                {grade::hint, "security-module",
                 "AppArmor has a profile that may be for programs of our names: " + profile +
                     "; what it does not permit fails with \"Permission denied\": --pid, --log-file, --pcap, --control at some "
                     "paths",
                 "Look for apparmor=\"DENIED\" in the kernel's log (journalctl -k); as root: aa-complain PROFILE logs and "
                 "permits"});
    if (!m.own_label.empty() && m.own_label != "unconfined")
        out.push_back({grade::hint, "security-module",
                       "This process itself is confined by " + m.own_label + ", and so may be what it tells",
                       "Run it outside of containers and confined sessions, to compare"});
}

void check_selinux(const machine& m, findings& out)
{
    for (const auto& caller : m.callers) {
        if (!caller.found || !is_about_us(caller.found->label))
            continue;
        out.push_back({grade::hint, "security-module",
                       "SELinux enforces a domain for " + caller.found->path + " (" + caller.found->label +
                           "): what it does not permit fails with \"Permission denied\"",
                       "Look for it: ausearch -m avc -c pasta; as root: semanage permissive -a DOMAIN logs and permits"});
        return;
    }
}

} // namespace

void check_callers(const machine& m, findings& out)
{
    for (const auto& caller : m.callers)
        if (caller.is_there)
            check_caller(caller, m, out);
}

void check_security_modules(const machine& m, findings& out)
{
    const auto before = out.size();
    if (m.apparmor)
        check_apparmor(m, out);
    if (m.selinux_enforces)
        check_selinux(m, out);
    if (out.size() == before)
        out.push_back({grade::good, "security-module", "No profile of AppArmor or SELinux is in the way", ""});
}

void check_instances(const machine& m, findings& out)
{
    for (const auto& who : m.silent)
        out.push_back({grade::fault, "instances", "An instance is there and does not answer: " + who,
                       "If it is stopped (state T in ps(1)): kill -CONT PID; else please report it, with what SIGUSR1 makes it "
                       "write to its log"});
    if (m.silent.empty())
        out.push_back({grade::good, "instances", "All that run answer", ""});
}

} // namespace tapioca::client
