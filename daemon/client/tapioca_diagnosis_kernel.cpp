// What the kernel gives to a user: devices, namespaces, limits.
#include "daemon/client/tapioca_diagnosis.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

namespace tapioca::client {
namespace {

constexpr std::uint64_t few_files = 1024, enough_files = 16384; // each flow is one, and some stay ours
constexpr std::uint64_t usual_buffer = 212992;                  // of net.core.rmem_max, as the kernel sets it

std::optional<std::uint64_t> number_of(const machine& m, const char* sysctl)
{
    const auto at = m.sysctls.find(sysctl);
    std::uint64_t number = 0;
    if (at == m.sysctls.end() ||
        std::from_chars(at->second.data(), at->second.data() + at->second.size(), number).ec != std::errc{})
        return std::nullopt;
    return number;
}

std::string sysctl_remedy(const std::string& setting)
{
    return "As root: sysctl -w " + setting + ", and the same in a file below /etc/sysctl.d";
}

/// Why a namespace cannot be made; a fault without words if nothing says why not.
finding namespaces_fault(const machine& m)
{
    const char* about = "user-namespaces";
    if (!m.has_user_namespaces)
        return {grade::fault, about, "This kernel has no user namespaces: neither pasta nor rootless containers work",
                "A kernel that is built with CONFIG_USER_NS"};
    for (const char* limit : {"user.max_user_namespaces", "user.max_net_namespaces"})
        if (number_of(m, limit) == 0)
            return {grade::fault, about, std::string{limit} + " is 0: nobody can make such a namespace",
                    sysctl_remedy(std::string{limit} + "=15000")};
    if (m.user != 0 && number_of(m, "kernel.unprivileged_userns_clone") == 0)
        return {grade::fault, about, "kernel.unprivileged_userns_clone is 0: only root can make user namespaces",
                sysctl_remedy("kernel.unprivileged_userns_clone=1")};
    if (m.user != 0 && m.namespaces_error != 0 && number_of(m, "kernel.apparmor_restrict_unprivileged_userns") == 1)
        return {grade::fault, about,
                "AppArmor keeps ordinary users from making user namespaces, but for programs whose profile permits it "
                "(kernel.apparmor_restrict_unprivileged_userns is 1)",
                "Profiles for pasta and passt with the rule `userns,`, as packages install them; or as root: sysctl -w "
                "kernel.apparmor_restrict_unprivileged_userns=0"};
    return {m.namespaces_error != 0 ? grade::fault : grade::good, about,
            m.namespaces_error != 0
                ? "A user namespace with a network namespace in it can't be made: " + words_of_error(m.namespaces_error)
                : "User and network namespaces can be made",
            m.namespaces_error != 0 ? "Inside a container: permit unshare(2), such as by --security-opt seccomp=unconfined and "
                                      "--security-opt apparmor=unconfined; in a chroot there is no way"
                                    : ""};
}

/// Lines of subuid(5): a name or number, first, count.
bool has_range(const machine& m, std::string_view text)
{
    const auto number = std::to_string(m.user);
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto who = line.substr(0, line.find(':'));
        if (who.size() < line.size() && !who.empty() && (who == m.user_name || who == number))
            return true;
    }
    return false;
}

grade where_podman_is(const machine& m)
{
    const auto needs = [](const caller_facts& c) { return c.is_there && (c.caller == "Podman" || c.caller == "RootlessKit"); };
    return std::ranges::any_of(m.callers, needs) ? grade::fault : grade::hint;
}

} // namespace

void check_tun(const machine& m, findings& out)
{
    const std::string what = "/dev/net/tun can't be opened, without which pasta has no interface (passt does without it): ";
    switch (m.tun_error) {
    case 0:
        out.push_back({grade::good, "tun", "/dev/net/tun can be opened", ""});
        return;
    case ENOENT:
    case ENXIO:
    case ENODEV:
        out.push_back({grade::fault, "tun", what + words_of_error(m.tun_error),
                       "As root: modprobe tun, and mknod -m 666 /dev/net/tun c 10 200 if it is not there then; for a container: "
                       "--device /dev/net/tun"});
        return;
    case EACCES:
        out.push_back({grade::fault, "tun", what + words_of_error(m.tun_error), "As root: chmod 666 /dev/net/tun"});
        return;
    default:
        out.push_back(
            {grade::fault, "tun", what + words_of_error(m.tun_error),
             "Permit the device where this system is confined: DeviceAllow=/dev/net/tun for a unit of systemd, --device "
             "/dev/net/tun for a container"});
    }
}

void check_user_namespaces(const machine& m, findings& out) { out.push_back(namespaces_fault(m)); }

void check_subordinate_ids(const machine& m, findings& out)
{
    if (m.user == 0) {
        out.push_back({grade::good, "subordinate-ids", "root needs no subordinate users and groups", ""});
        return;
    }
    const auto before = out.size();
    const auto how = where_podman_is(m);
    const struct {
        const char *file, *option, *helper;
        const file_facts& ids;
        const std::string& path;
        bool able;
    } kinds[] = {{"/etc/subuid", "--add-subuids", "newuidmap", m.subuid, m.newuidmap, m.newuidmap_able},
                 {"/etc/subgid", "--add-subgids", "newgidmap", m.subgid, m.newgidmap, m.newgidmap_able}};
    const auto user = m.user_name.empty() ? std::to_string(m.user) : m.user_name;
    for (const auto& kind : kinds) {
        if (!has_range(m, kind.ids.content))
            out.push_back(
                {how, "subordinate-ids",
                 std::string{kind.file} + " has no range for " + user + ": rootless containers have one user only",
                 "As root: usermod " + std::string{kind.option} + " 100000-165535 " + user + "; then: podman system migrate"});
        if (kind.path.empty() || !kind.able)
            out.push_back({how, "subordinate-ids",
                           kind.path.empty()
                               ? std::string{kind.helper} + " is not in $PATH: rootless containers have one user only"
                               : kind.path + " is neither set-user-ID nor has file capabilities: it can map no users",
                           kind.path.empty() ? "Install the package uidmap, or shadow-utils"
                                             : "Install its package anew, or as root: chmod u+s " + kind.path});
    }
    if (out.size() == before)
        out.push_back({grade::good, "subordinate-ids", user + " has subordinate users and groups, newuidmap and newgidmap", ""});
}

void check_limits(const machine& m, findings& out)
{
    const auto before = out.size();
    if (m.open_files < enough_files)
        out.push_back(
            {m.open_files < few_files ? grade::fault : grade::hint, "open-files",
             "A process may have " + std::to_string(m.open_files) + " open files at most, and each connection is one",
             "Raise the hard limit: LimitNOFILE= of the unit, nofile in /etc/security/limits.conf, --ulimit nofile= of a "
             "container; in this shell, as root: ulimit -Hn 65536"});
    const auto instances = m.sysctls.find("fs.inotify.max_user_instances");
    if (m.inotify_error != 0)
        out.push_back({grade::fault, "inotify",
                       "No inotify instance can be made: " + words_of_error(m.inotify_error) +
                           (instances != m.sysctls.end() ? " (fs.inotify.max_user_instances is " + instances->second + ")" : ""),
                       sysctl_remedy("fs.inotify.max_user_instances=1024")});
    for (const char* limit : {"net.core.rmem_max", "net.core.wmem_max"})
        if (const auto value = number_of(m, limit); value && *value < usual_buffer)
            out.push_back({grade::hint, "socket-buffers",
                           std::string{limit} + " is " + std::to_string(*value) + ": bursts of datagrams and frames may be lost",
                           sysctl_remedy(std::string{limit} + "=" + std::to_string(usual_buffer))});
    if (!m.sysctls.contains("kernel.seccomp.actions_avail"))
        out.push_back({grade::fault, "seccomp",
                       "This kernel has no filters for system calls, or /proc/sys is hidden: pasta and passt need them",
                       "A kernel that is built with CONFIG_SECCOMP_FILTER"});
    if (m.temporary_error != 0)
        out.push_back({grade::fault, "tmp",
                       "No file can be made in /tmp, where passt has its sockets: " + words_of_error(m.temporary_error),
                       "As root: chmod 1777 /tmp, or mount a tmpfs there; passt --socket PATH puts its socket elsewhere"});
    if (out.size() == before)
        out.push_back({grade::good, "limits", "Open files, inotify, socket buffers, seccomp and /tmp suffice", ""});
}

} // namespace tapioca::client
