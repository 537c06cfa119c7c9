#include "daemon/client/tapioca_diagnosis.hpp"

#include "daemon/client/tapioca_findings.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <functional>
#include <sstream>

namespace tapioca::client {
namespace {

constexpr const char* own_version_text = "pasta 0.1.0\nPart of tapioca. Copyright the tapioca contributors.";
constexpr const char* head4 = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

/// On which nothing is wrong.
machine sound()
{
    machine m;
    m.user = m.group = 1000;
    m.user_name = "ann";
    m.open_files = 1048576;
    m.sysctls = {{"kernel.seccomp.actions_avail", "kill_process kill_thread trap errno"},
                 {"kernel.unprivileged_userns_clone", "1"},
                 {"kernel.apparmor_restrict_unprivileged_userns", "0"},
                 {"user.max_user_namespaces", "63000"},
                 {"user.max_net_namespaces", "63000"},
                 {"fs.inotify.max_user_instances", "128"},
                 {"net.core.rmem_max", "212992"},
                 {"net.core.wmem_max", "212992"},
                 {"net.ipv4.ping_group_range", "0\t2147483647"},
                 {"net.ipv4.ip_unprivileged_port_start", "80"},
                 {"net.ipv6.conf.all.disable_ipv6", "0"}};
    m.resolv_conf.content = "nameserver 192.0.2.53\n";
    m.subuid.content = "bob:100000:65536\nann:165536:65536\n";
    m.subgid.content = "1000:165536:65536\n";
    m.newuidmap = "/usr/bin/newuidmap";
    m.newgidmap = "/usr/bin/newgidmap";
    m.routes4 = std::string{head4} + "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
    m.addresses = {ip_address::v4(127, 0, 0, 1), ip_address::v4(192, 0, 2, 2)};
    m.own_version = "0.1.0";
    m.callers = {{"your shell", "pasta", true, {"/usr/bin"}, program_facts{"/usr/bin/pasta", own_version_text, ""}},
                 {"Podman", "pasta", true, {"/usr/bin"}, program_facts{"/usr/bin/pasta", own_version_text, ""}}};
    return m;
}

findings that_are_not_good(const machine& m)
{
    auto all = diagnose(m);
    std::erase_if(all, [](const finding& f) { return f.how == grade::good; });
    return all;
}

TEST_CASE("where all is well nothing is complained of, and each check says so")
{
    CHECK(that_are_not_good(sound()).empty());
    CHECK(diagnose(sound()).size() >= 11);
}

struct planted {
    const char* name;
    std::function<void(machine&)> plant;
    grade how;
    const char *about, *what, *remedy;
};

const planted faults[] = {
    {"no tun device", [](machine& m) { m.tun_error = ENOENT; }, grade::fault, "tun", "No such file", "modprobe tun"},
    {"a tun device of others", [](machine& m) { m.tun_error = EACCES; }, grade::fault, "tun", "Permission denied", "chmod 666"},
    {"a tun device that a cgroup denies", [](machine& m) { m.tun_error = EPERM; }, grade::fault, "tun", "not permitted",
     "--device"},
    {"a kernel without user namespaces", [](machine& m) { m.has_user_namespaces = false; }, grade::fault, "user-namespaces",
     "no user namespaces", "CONFIG_USER_NS"},
    {"no user namespaces for users", [](machine& m) { m.sysctls["kernel.unprivileged_userns_clone"] = "0"; }, grade::fault,
     "user-namespaces", "unprivileged_userns_clone is 0", "unprivileged_userns_clone=1"},
    {"no user namespaces for anybody", [](machine& m) { m.sysctls["user.max_user_namespaces"] = "0"; }, grade::fault,
     "user-namespaces", "max_user_namespaces is 0", "max_user_namespaces=15000"},
    {"user namespaces that AppArmor restricts",
     [](machine& m) {
         m.sysctls["kernel.apparmor_restrict_unprivileged_userns"] = "1";
         m.namespaces_error = EPERM;
     },
     grade::fault, "user-namespaces", "AppArmor", "userns,"},
    {"user namespaces that a filter refuses", [](machine& m) { m.namespaces_error = EPERM; }, grade::fault, "user-namespaces",
     "not permitted", "seccomp=unconfined"},
    {"no subordinate users", [](machine& m) { m.subuid.content = "bob:100000:65536\n"; }, grade::fault, "subordinate-ids",
     "/etc/subuid has no range for ann", "--add-subuids"},
    {"no subordinate groups",
     [](machine& m) {
         m.subgid = {ENOENT, "", ""};
     },
     grade::fault, "subordinate-ids", "/etc/subgid", "--add-subgids"},
    {"no newuidmap", [](machine& m) { m.newuidmap.clear(); }, grade::fault, "subordinate-ids", "newuidmap is not in $PATH",
     "uidmap"},
    {"a newgidmap without rights", [](machine& m) { m.newgidmap_able = false; }, grade::fault, "subordinate-ids",
     "neither set-user-ID", "chmod u+s /usr/bin/newgidmap"},
    {"few open files", [](machine& m) { m.open_files = 256; }, grade::fault, "open-files", "256 open files", "LimitNOFILE"},
    {"not many open files", [](machine& m) { m.open_files = 4096; }, grade::hint, "open-files", "4096", "LimitNOFILE"},
    {"no inotify", [](machine& m) { m.inotify_error = EMFILE; }, grade::fault, "inotify", "is 128", "max_user_instances=1024"},
    {"small buffers", [](machine& m) { m.sysctls["net.core.rmem_max"] = "4096"; }, grade::hint, "socket-buffers", "4096",
     "rmem_max=212992"},
    {"no filters", [](machine& m) { m.sysctls.erase("kernel.seccomp.actions_avail"); }, grade::fault, "seccomp", "filters",
     "CONFIG_SECCOMP_FILTER"},
    {"a /tmp that is read-only", [](machine& m) { m.temporary_error = EROFS; }, grade::fault, "tmp", "Read-only", "chmod 1777"},
    {"no ping", [](machine& m) { m.sysctls["net.ipv4.ping_group_range"] = "1\t0"; }, grade::fault, "ping", "(1\t0)",
     "ping_group_range=\"0 2147483647\""},
    {"ping for others", [](machine& m) { m.sysctls["net.ipv4.ping_group_range"] = "0\t999"; }, grade::fault, "ping", "groups",
     "sysctl -w"},
    {"high ports only", [](machine& m) { m.sysctls["net.ipv4.ip_unprivileged_port_start"] = "1024"; }, grade::hint, "low-ports",
     "below 1024", "8080:80"},
    {"no resolv.conf",
     [](machine& m) {
         m.resolv_conf = {ENOENT, "", ""};
     },
     grade::fault, "resolver", "is not there", "nameserver"},
    {"a resolv.conf that leads nowhere",
     [](machine& m) {
         m.resolv_conf = {ENOENT, "/run/x", ""};
     },
     grade::fault, "resolver", "link to /run/x", "service"},
    {"a resolv.conf of others",
     [](machine& m) {
         m.resolv_conf = {EACCES, "", ""};
     },
     grade::fault, "resolver", "Permission denied", "chmod 644"},
    {"no resolver", [](machine& m) { m.resolv_conf.content = "# nameserver 192.0.2.1\nsearch example.org\n"; }, grade::fault,
     "resolver", "names no resolver", "nameserver"},
    {"a resolver on the loopback", [](machine& m) { m.resolv_conf.content = "nameserver 127.0.0.53\n"; }, grade::hint, "resolver",
     "systemd-resolved", "--dns-forward"},
    {"no address",
     [](machine& m) {
         m.addresses = {ip_address::v4(127, 0, 0, 1), ip_address::v6({0xfe80, 0, 0, 0, 0, 0, 0, 1})};
     },
     grade::fault, "host-network", "no address", "Connect"},
    {"no default route",
     [](machine& m) { m.routes4 = std::string{head4} + "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"; },
     grade::fault, "host-network", "no default route", "--interface"},
    {"IPv6 is disabled", [](machine& m) { m.sysctls["net.ipv6.conf.all.disable_ipv6"] = "1"; }, grade::hint, "ipv6", "no IPv6",
     "disable_ipv6=0"},
    {"a profile of AppArmor",
     [](machine& m) {
         m.apparmor = true;
         m.apparmor_profiles = {"/usr/sbin/cupsd (enforce)", "tapioca-pasta (enforce)", "usr.bin.pasta"};
     },
     grade::hint, "security-module", "usr.bin.pasta", "aa-complain"},
    {"a session that AppArmor confines",
     [](machine& m) {
         m.apparmor = true;
         m.own_label = "docker-default (enforce)";
     },
     grade::hint, "security-module", "docker-default", "outside"},
    {"a domain of SELinux",
     [](machine& m) {
         m.selinux_enforces = true;
         m.callers[0].found->label = "system_u:object_r:pasta_exec_t:s0";
     },
     grade::hint, "security-module", "pasta_exec_t", "ausearch"},
    {"Podman finds none", [](machine& m) { m.callers[1].found.reset(); }, grade::fault, "callers",
     "Podman finds no pasta in /usr/bin", "Install"},
    {"Podman finds another make",
     [](machine& m) {
         m.callers[1].found = program_facts{"/usr/libexec/podman/pasta", "pasta 0.0~git20260101\nCopyright", ""};
     },
     grade::hint, "callers", "Podman finds /usr/libexec/podman/pasta, which is another make: pasta 0.0~git20260101",
     "helper_binaries_dir"},
    {"the shell finds another version", [](machine& m) { m.own_version = "0.2.0"; }, grade::hint, "callers",
     "of version 0.1.0, but this tapioca is 0.2.0", "remove one"},
    {"one that cannot be run", [](machine& m) { m.callers[0].found->version.clear(); }, grade::fault, "callers", "cannot be run",
     "noexec"},
    {"an instance that does not answer", [](machine& m) { m.silent = {"process 7: no answer within 10 s"}; }, grade::fault,
     "instances", "process 7", "kill -CONT"},
};

TEST_CASE("each fault is named, with a remedy, and nothing else is complained of")
{
    for (const auto& fault : faults) {
        CAPTURE(fault.name);
        auto m = sound();
        fault.plant(m);
        const auto found = that_are_not_good(m);
        CHECK(std::ranges::all_of(found, [&](const finding& f) { return f.about == fault.about; }));
        REQUIRE_FALSE(found.empty());
        CAPTURE(found[0].what, found[0].remedy);
        CHECK(found[0].how == fault.how);
        CHECK(found[0].what.find(fault.what) != std::string::npos);
        CHECK(found[0].remedy.find(fault.remedy) != std::string::npos);
    }
}

TEST_CASE("root needs neither subordinate ids nor permission for user namespaces and low ports")
{
    auto m = sound();
    m.user = m.group = 0;
    m.user_name = "root";
    m.subuid = m.subgid = {};
    m.newuidmap.clear();
    m.sysctls["kernel.unprivileged_userns_clone"] = "0";
    m.sysctls["net.ipv4.ip_unprivileged_port_start"] = "1024";
    CHECK(that_are_not_good(m).empty());
}

TEST_CASE("without Podman and RootlessKit nobody misses subordinate ids")
{
    auto m = sound();
    m.callers.pop_back();
    m.subuid = {};
    const auto found = that_are_not_good(m);
    REQUIRE(found.size() == 1);
    CHECK(found[0].how == grade::hint);
}

TEST_CASE("findings fit the width, faults come first, and none of their characters commands a terminal")
{
    auto m = sound();
    m.tun_error = ENOENT;
    m.resolv_conf = {ENOENT, "/run/\x1b[2J", ""};
    const auto text = findings_as_text(diagnose(m), 60, false);
    CHECK(text.starts_with("fault  "));
    CHECK(text.find("\ngood") > text.rfind("\nfault"));
    CHECK(text.find('\x1b') == std::string::npos);
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);)
        CHECK(line.size() <= 60);
    CHECK(findings_as_text(diagnose(m), 60, true).find("\x1b[31mfault\x1b[0m") != std::string::npos);
}

TEST_CASE("findings are an object of JSON a line")
{
    auto m = sound();
    m.tun_error = ENOENT;
    std::istringstream lines{findings_as_json(diagnose(m))};
    std::size_t faults_found = 0;
    for (std::string line; std::getline(lines, line);) {
        const auto one = boost::json::parse(line).as_object();
        CHECK(one.contains("about"));
        CHECK(one.contains("remedy") == (one.at("grade") != "good"));
        faults_found += one.at("grade") == "fault" ? 1 : 0;
    }
    CHECK(faults_found == 1);
}

} // namespace
} // namespace tapioca::client
