#include "daemon/client/tapioca_machine.hpp"

#include "daemon/client/tapioca_connection.hpp"
#include "daemon/client/tapioca_programs.hpp"
#include "daemon/client/tapioca_run.hpp"
#include "daemon/os/host_facts.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <ifaddrs.h>
#include <memory>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace tapioca::client {
namespace {

namespace fs = std::filesystem;

constexpr const char* wanted_sysctls[] = {
    "kernel.apparmor_restrict_unprivileged_userns",
    "kernel.seccomp.actions_avail",
    "kernel.unprivileged_userns_clone",
    "fs.inotify.max_user_instances",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv6.conf.all.disable_ipv6",
    "user.max_inotify_instances",
    "user.max_net_namespaces",
    "user.max_user_namespaces",
};

file_facts read_file(const std::string& path)
{
    file_facts facts;
    std::error_code error;
    if (const auto target = fs::read_symlink(path, error); !error)
        facts.link_target = target;
    const os::unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    char buffer[65536];
    ssize_t count = -1;
    while (file && (count = ::read(file.get(), buffer, sizeof buffer)) > 0 && facts.content.size() < 16 * sizeof buffer)
        facts.content.append(buffer, static_cast<std::size_t>(count));
    facts.error = count < 0 ? errno : 0;
    return facts;
}

/// Without the ends of its lines.
std::string line_in(const std::string& path)
{
    auto text = read_file(path).content;
    text.erase(text.find_last_not_of(std::string_view{" \n\0", 3}) + 1);
    return text;
}

std::map<std::string, std::string> read_sysctls()
{
    std::map<std::string, std::string> found;
    for (const std::string name : wanted_sysctls) {
        auto path = "/proc/sys/" + name;
        std::replace(path.begin() + 10, path.end(), '.', '/');
        if (const auto facts = read_file(path); facts.error == 0)
            found[name] = first_lines(facts.content, 1);
    }
    return found;
}

int try_namespaces() { return ::unshare(CLONE_NEWUSER) != 0 || ::unshare(CLONE_NEWNET) != 0 ? errno : 0; }

int error_of_opening(const char* path, int flags)
{
    const os::unique_fd file{::open(path, flags | O_CLOEXEC, 0600)};
    return file ? 0 : errno;
}

bool gains_privileges(const std::string& path)
{
    struct stat facts {};
    if (path.empty() || ::stat(path.c_str(), &facts) != 0)
        return false;
    return (facts.st_mode & S_ISUID) != 0 || ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
}

/// Loaded profiles with their mode are root's to read; else the names of the files that hold some.
std::vector<std::string> read_apparmor_profiles()
{
    std::vector<std::string> found;
    const auto loaded = read_file("/sys/kernel/security/apparmor/profiles");
    for (std::string_view rest = loaded.content; !rest.empty();) {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        found.emplace_back(line);
    }
    std::error_code error;
    if (found.empty())
        for (const auto& entry : fs::directory_iterator{"/etc/apparmor.d", error})
            if (entry.is_regular_file(error))
                found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
}

std::vector<ip_address> read_addresses()
{
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0)
        return {};
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{list, ::freeifaddrs};
    std::vector<ip_address> found;
    for (; list != nullptr; list = list->ifa_next) {
        if (list->ifa_addr == nullptr)
            continue;
        if (list->ifa_addr->sa_family == AF_INET) {
            sockaddr_in address{};
            std::memcpy(&address, list->ifa_addr, sizeof address);
            found.push_back(ip_address::v4(ntohl(address.sin_addr.s_addr)));
        } else if (list->ifa_addr->sa_family == AF_INET6) {
            sockaddr_in6 address{};
            std::memcpy(&address, list->ifa_addr, sizeof address);
            ipv6_octets octets{};
            std::memcpy(octets.data(), &address.sin6_addr, octets.size());
            found.emplace_back(octets);
        }
    }
    return found;
}

std::vector<std::string> read_silent_instances()
{
    std::vector<std::string> found;
    for (const auto& one : find_instances()) {
        try {
            (void)control_connection{one}.call("GetInfo");
        } catch (const control_failure& failure) {
            const auto there = find_instances();
            if (std::ranges::find(there, one) != there.end()) // else it has ended meanwhile
                found.emplace_back(failure.what());
        }
    }
    return found;
}

void read_user(machine& m)
{
    m.user = ::geteuid();
    m.group = ::getegid();
    m.groups.resize(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    m.groups.resize(static_cast<std::size_t>(std::max(::getgroups(static_cast<int>(m.groups.size()), m.groups.data()), 0)));
    if (const passwd* account = ::getpwuid(m.user); account != nullptr)
        m.user_name = account->pw_name;
    m.subuid = read_file("/etc/subuid");
    m.subgid = read_file("/etc/subgid");
    const char* path = std::getenv("PATH");
    const auto directories = directories_of(path != nullptr ? path : "");
    m.newuidmap = find_program(directories, "newuidmap");
    m.newgidmap = find_program(directories, "newgidmap");
    m.newuidmap_able = gains_privileges(m.newuidmap);
    m.newgidmap_able = gains_privileges(m.newgidmap);
}

void try_kernel(machine& m)
{
    m.tun_error = error_of_opening("/dev/net/tun", O_RDWR | O_NONBLOCK);
    m.has_user_namespaces = fs::exists("/proc/self/ns/user");
    m.namespaces_error = result_in_child(try_namespaces);
    const os::unique_fd inotify{::inotify_init1(IN_CLOEXEC)};
    m.inotify_error = inotify ? 0 : errno;
    m.temporary_error = error_of_opening("/tmp", O_TMPFILE | O_RDWR);
    if (m.temporary_error == EOPNOTSUPP || m.temporary_error == EISDIR) // a file system that has no files without a name
        m.temporary_error = ::access("/tmp", W_OK) == 0 ? 0 : errno;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0)
        m.open_files = files.rlim_max;
    m.sysctls = read_sysctls();
}

} // namespace

machine read_machine()
{
    machine m;
    m.own_version = TAPIOCA_VERSION;
    read_user(m);
    try_kernel(m);
    m.apparmor = line_in("/sys/module/apparmor/parameters/enabled") == "Y";
    m.selinux_enforces = line_in("/sys/fs/selinux/enforce") == "1";
    m.own_label = line_in("/proc/self/attr/current");
    if (m.apparmor)
        m.apparmor_profiles = read_apparmor_profiles();
    m.resolv_conf = read_file("/etc/resolv.conf");
    m.has_ipv6 = os::has_ipv6();
    m.routes4 = read_file("/proc/net/route").content;
    m.routes6 = read_file("/proc/net/ipv6_route").content;
    m.addresses = read_addresses();
    m.callers = read_callers();
    m.silent = read_silent_instances();
    return m;
}

} // namespace tapioca::client
