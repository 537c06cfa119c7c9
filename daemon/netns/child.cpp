#include "daemon/netns/child.hpp"

#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/start_failure.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tapioca::netns {
namespace {

constexpr std::size_t hostname_limit = 64; // HOST_NAME_MAX

void warn(const char* what) { std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno)); }

void set_hostname(const options& opts)
{
    char host[hostname_limit + 1] = {};
    std::string name = opts.hostname.value_or("");
    if (name.empty()) {
        ::gethostname(host, hostname_limit);
        name = std::string{"pasta-"} + host;
    }
    name.resize(std::min(name.size(), hostname_limit));
    if (::sethostname(name.data(), name.size()) != 0)
        warn("Unable to set pasta-prefixed hostname");
}

/// Every user of the namespace may ping: the only group there is, is ours.
void allow_ping()
{
    const os::unique_fd range{::open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC)};
    if (!range || !os::write_all(range.get(), "0 0"))
        warn("Cannot set ping_group_range, ICMP requests might fail");
}

void mount_proc()
{
    // Slaves first: without a user namespace of our own the mount would be seen by the whole machine.
    if (::mount("", "/", "", MS_SLAVE | MS_REC, nullptr) != 0 ||
        ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
        warn("Couldn't mount /proc");
}

/// Whose fault it is that execvp(3) found nothing to execute.
std::string hint_for(const std::string& file, int error)
{
    const bool is_path = file.find('/') != std::string::npos;
    if (error == ENOENT && !is_path)
        return "no directory of PATH has a program " + file;
    if (error == ENOENT)
        return ::access(file.c_str(), F_OK) == 0 ? "the interpreter that " + file + " names does not exist"
                                                 : file + " does not exist";
    if (error != EACCES)
        return file;
    struct stat about = {};
    if (::stat(file.c_str(), &about) == 0 && S_ISDIR(about.st_mode))
        return file + " is a directory";
    return os::name_of_user_and_remedy() + " may not execute " + file;
}

[[noreturn]] void execute(const options& opts)
{
    std::vector<std::string> words = opts.command;
    std::string file;
    if (words.empty()) {
        const char* shell = std::getenv("SHELL");
        file = shell && *shell ? shell : "/bin/sh";
        words.push_back("-" + file.substr(file.rfind('/') + 1)); // a login shell
    } else {
        file = words.front();
    }
    std::vector<char*> arguments;
    for (std::string& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::signal(SIGPIPE, SIG_DFL);
    ::execvp(file.c_str(), arguments.data());
    const int refused = errno;
    os::ignore_broken_pipes();
    std::fprintf(stderr, "%s\n", os::start_failure("Failed to start command or shell", refused, hint_for(file, refused)).what());
    ::_exit(EXIT_FAILURE);
}

[[noreturn]] void run_child(const options& opts, int go)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    os::forget_termination();
    if (opts.pid_namespace)
        mount_proc();
    allow_ping();
    set_hostname(opts);
    char word;
    ssize_t n;
    do
        n = ::read(go, &word, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        ::_exit(EXIT_FAILURE);
    ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0); // exec would keep it, and the command may outlive us
    os::give_back_descriptor_limit();
    execute(opts);
}

} // namespace

command command::spawn(const options& opts)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't make a pipe");
    command child;
    const os::unique_fd go{ends[0]};
    child.go_ = os::unique_fd{ends[1]};
    const unsigned long own = CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS | (opts.pid_namespace ? CLONE_NEWPID : 0);
    // Like fork(2), with namespaces: without a stack of its own the child goes on with a copy of this one.
    child.pid_ = static_cast<pid_t>(::syscall(SYS_clone, own | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (child.pid_ == 0) {
        child.go_.reset(); // or the parent's end would go unnoticed
        run_child(opts, go.get());
    }
    if (child.pid_ < 0) {
        const int error = errno;
        throw os::start_failure("Couldn't create the namespaces of the command", error,
                                error == EPERM && opts.netns_only ? "with --netns-only that is root's alone"
                                : error == ENOSPC ? "a limit of namespaces is reached (user.max_net_namespaces and its like)"
                                                  : "");
    }
    return child;
}

// syscalls: write close
void command::release()
{
    if (!os::write_all(go_.get(), "\n"))
        throw std::system_error(EPIPE, std::generic_category(), "The command ended before it could start");
    go_.reset();
}

} // namespace tapioca::netns
