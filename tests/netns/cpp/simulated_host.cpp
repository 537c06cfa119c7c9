#include "tests/netns/cpp/simulated_host.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/config/guest_plan.hpp"
#include "daemon/netns/interface.hpp"
#include "daemon/os/unique_fd.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::test {

namespace {

void write_file(const char* path, const std::string& text)
{
    const os::unique_fd file{::open(path, O_WRONLY | O_CLOEXEC)};
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw std::system_error(errno, std::generic_category(), path);
}

void enter_new_user_and_network()
{
    const auto uid = ::getuid();
    const auto gid = ::getgid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        throw std::system_error(errno, std::generic_category(), "unshare");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

/// One line a finding: topic, tab, line.
void send(int to, const findings& found)
{
    std::string text;
    for (const auto& [topic, all] : found.topics)
        for (const auto& line : all)
            text.append(topic).append("\t").append(line).append("\n");
    for (std::size_t sent = 0; sent < text.size();) {
        const auto n = ::write(to, text.data() + sent, text.size() - sent);
        if (n <= 0)
            return;
        sent += static_cast<std::size_t>(n);
    }
}

findings receive(int from)
{
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t n; (n = ::read(from, part.data(), part.size())) > 0;)
        text.append(part.data(), static_cast<std::size_t>(n));
    findings found;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        const auto tab = text.find('\t', at);
        found.add(text.substr(at, tab - at), text.substr(tab + 1, end - tab - 1));
        at = end + 1;
    }
    return found;
}

void describe(findings& found, const std::string& topic, const host_family& family)
{
    if (!family.enabled)
        return;
    found.add(topic, to_text(family.address));
    found.add(topic, to_text(family.gateway));
    if (family.local_mode)
        found.add(topic, "local");
}

void add_all(findings& found, const std::string& topic, const lines& all)
{
    for (const auto& line : all)
        found.add(topic, line);
}

} // namespace

findings in_namespaces(const std::function<void(findings&)>& work)
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    const os::unique_fd read_end{ends[0]};
    os::unique_fd write_end{ends[1]};
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        findings found;
        try {
            enter_new_user_and_network();
            work(found);
        } catch (const std::exception& e) {
            found.add("error", e.what());
        }
        send(write_end.get(), found);
        ::_exit(0);
    }
    write_end.reset();
    auto found = receive(read_end.get());
    ::waitpid(child, nullptr, 0);
    return found;
}

lines shell(const std::string& command)
{
    std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "re");
    if (pipe == nullptr)
        throw std::system_error(errno, std::generic_category(), "popen");
    lines all;
    std::array<char, 1024> line{};
    while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
        std::string text = line.data();
        text.erase(text.find_last_not_of(" \n") + 1);
        text.erase(0, text.find_first_not_of(" \t"));
        all.push_back(text);
    }
    if (::pclose(pipe) != 0)
        throw std::runtime_error(command + ": " + (all.empty() ? "failed" : all.front()));
    return all;
}

void enter_new_network()
{
    if (::unshare(CLONE_NEWNET) != 0)
        throw std::system_error(errno, std::generic_category(), "unshare");
}

void make_interface(const std::string& name)
{
    os::unique_fd tun{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    if (tun && ::ioctl(tun.get(), TUNSETIFF, &request) == 0)
        static_cast<void>(tun.release()); // until the child ends
    else
        shell("ip link add " + name +
              " type veth peer name far && sysctl -qw net.ipv6.conf.far.disable_ipv6=1 && ip link set far up");
}

findings configured_guest(const lines& host_commands, options opts, const lines& guest_commands)
{
    opts.config_net = true;
    return in_namespaces([&](findings& found) {
        for (const auto& command : host_commands)
            shell(command);
        const auto host = discover(opts);
        const auto guest = plan_guest(opts, host, 0);
        const auto plan = plan_interface(opts, host, guest);
        describe(found, "host4", host.v4);
        describe(found, "host6", host.v6);

        enter_new_network();
        for (const auto& command : guest_commands)
            shell(command);
        make_interface(plan.name);
        bring_up_loopback();
        const auto state = configure_tap(plan, plan.name);
        const std::string strip = " | sed -E 's/^[0-9]+: [^ ]+ +//; s/\\\\ .*//; s/ +$//'";
        add_all(found, "link", shell("ip -o link show dev " + plan.name));
        add_all(found, "lo", shell("ip -o link show dev lo"));
        add_all(found, "addr4", shell("ip -4 -o addr show dev " + plan.name + strip));
        add_all(found, "addr6", shell("ip -6 -o addr show dev " + plan.name + " scope global" + strip));
        add_all(found, "linklocal", shell("ip -6 -o addr show dev " + plan.name + " scope link" + strip));
        add_all(found, "route4", shell("ip -4 route show"));
        add_all(found, "route6", shell("ip -6 route show"));
        add_all(found, "notes", host.notes);
        add_all(found, "notes", state.notes);
        add_all(found, "warnings", state.warnings);
        found.add("state", to_text(state.mac));
        found.add("state", to_text(state.link_local));
    });
}

} // namespace tapioca::test
