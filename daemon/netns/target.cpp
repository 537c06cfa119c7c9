#include "daemon/netns/target.hpp"

#include "daemon/netns/enter.hpp"
#include "daemon/os/namespaces.hpp"
#include "daemon/os/start_failure.hpp"
#include "seccomp/clone_answer.hpp"

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace tapioca::netns {
namespace {

constexpr std::string_view run_directory = "/run/netns/"; // of ip-netns(8)

/// What we inherited as a descriptor has no name that could go.
bool is_descriptor(std::string_view path) { return path.starts_with("/proc/self/fd/") || path.starts_with("/dev/fd/"); }

/// Why the namespaces of a process may not be opened (ptrace(2), "Ptrace access mode checking").
std::string protected_process(const std::string& process, const std::string& directory)
{
    std::ifstream status{directory + "/status"};
    unsigned long long owner = ::geteuid();
    for (std::string word; status >> word;)
        if (word == "Uid:")
            status >> owner;
    if (owner != ::geteuid())
        return process + " belongs to user " + std::to_string(owner) + ", and this is " + os::name_of_user() +
               ": only its own user may, or root";
    return process + " has rights that " + os::name_of_user() + " has not: root may";
}

std::string hint_for(const options& opts, const std::string& path, int error)
{
    const auto directory = "/proc/" + std::to_string(opts.target_pid);
    if (opts.target == target_kind::pid && path.starts_with(directory + '/')) {
        const auto process = "process " + std::to_string(opts.target_pid);
        if (error == ENOENT)
            return "there is no " + process;
        return error == EACCES ? protected_process(process, directory) : "";
    }
    if (error == EACCES)
        return os::name_of_user() + " may not read it";
    if (error == ENOENT && is_descriptor(path))
        return "no such descriptor was inherited";
    if (error != ENOENT || !path.starts_with(run_directory))
        return "";
    return "ip netns list shows which there are, ip netns add " + path.substr(run_directory.size()) + " makes this one";
}

os::unique_fd open(const options& opts, const char* what, const std::string& path)
{
    auto fd = os::open_namespace(path);
    if (!fd)
        throw os::start_failure(std::string{"Couldn't open "} + what + " namespace " + path, fd.error().value(),
                                hint_for(opts, path, fd.error().value()));
    return std::move(*fd);
}

/// What is refused when a namespace is entered: it is none, or it is not ours to enter.
std::runtime_error not_entered(const std::system_error& refused, const char* what, const char* kind, const std::string& path,
                               const char* not_ours)
{
    const int error = refused.code().value();
    return os::start_failure(what, error,
                             error == EINVAL  ? path + " is no " + kind + " namespace"
                             : error == EPERM ? path + " is not ours to enter: " + not_ours
                                              : "");
}

std::string user_path(const options& opts)
{
    return opts.userns_path.value_or("/proc/" + std::to_string(opts.target_pid) + "/ns/user");
}

void join_user_namespace(const options& opts, int fd, sandbox& box)
{
    try {
        box.join_user_namespace(fd);
    } catch (const std::system_error& refused) {
        throw not_entered(refused, "Couldn't enter user namespace", "user", user_path(opts), "start as the user who made it");
    }
}

/// Whatever is refused, is refused here and not in the middle.
void try_network_namespace(int fd, const std::string& path)
{
    try {
        enter(fd, [] {});
    } catch (const std::system_error& refused) {
        throw not_entered(refused, "Couldn't switch to pasta namespaces", "network", path,
                          "name the user namespace that it belongs to by --userns, or start as root");
    }
}

} // namespace

named_namespaces open_named(const options& opts)
{
    named_namespaces named;
    if (opts.mode == mode::passt)
        return named;
    const std::string of_process = "/proc/" + std::to_string(opts.target_pid) + "/ns/";
    const bool by_pid = opts.target == target_kind::pid;
    if (opts.userns_path)
        named.user = open(opts, "user", *opts.userns_path);
    else if (by_pid && !opts.netns_only)
        named.user = open(opts, "user", of_process + "user");
    if (opts.target == target_kind::command)
        return named;
    named.network_path = by_pid ? of_process + "net" : opts.netns_path;
    named.network = open(opts, "network", named.network_path);
    return named;
}

target attach(const options& opts, named_namespaces named, sandbox& box)
{
    target found;
    if (opts.mode == mode::passt) { // of namespaces it needs only the right to hide the filesystem
        box.create_user_namespace();
        seccomp::let_threads_start();
        return found;
    }
    if (named.user)
        join_user_namespace(opts, named.user.get(), box);
    else if (opts.target == target_kind::command && !opts.netns_only)
        box.create_user_namespace();

    if (opts.target == target_kind::command) {
        found.command = command::spawn(opts);
        found.network = open(opts, "network", found.command->net_ns_path());
    } else {
        found.network = std::move(named.network);
        if (opts.netns_quit && !is_descriptor(named.network_path))
            found.watch.emplace(named.network_path);
    }
    seccomp::let_threads_start(); // not before there is the command, which would inherit it
    try_network_namespace(found.network.get(), found.command ? found.command->net_ns_path() : named.network_path);
    return found;
}

} // namespace tapioca::netns
