// qrap: starts QEMU on the socket of passt, for versions of QEMU that cannot connect to it themselves (before 7.2).
//
//   qrap FDNUM QEMU_CMD ARG...   the socket becomes descriptor FDNUM of QEMU_CMD, whose arguments stay as they are
//   qrap ARG...                  the socket becomes descriptor 5 of the QEMU that is found; the arguments are made to use it
#include "qrap/arguments.hpp"
#include "qrap/passt_socket.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

using namespace tapioca::qrap;

namespace {

constexpr std::array<const char*, 4> qemu_names{"kvm", "qemu-kvm", "qemu-system-" QEMU_ARCH, "/usr/libexec/qemu-kvm"};

constexpr const char* usage =
    "Usage: qrap [FDNUM QEMU_CMD] [QEMU_ARG]...\n"
    "       qrap --help\n"
    "\n"
    "With FDNUM and QEMU_CMD: connects to passt, and runs QEMU_CMD with the socket as descriptor FDNUM (3 or more).\n"
    "Else: replaces the network device of the arguments by one on that socket, and runs the first of\n"
    "kvm, qemu-kvm, qemu-system-" QEMU_ARCH ", /usr/libexec/qemu-kvm.\n"
    "\n"
    "PASST_SOCKET=PATH in the environment: connect to this socket, instead of the first that answers of\n"
    "/tmp/passt_1.socket to /tmp/passt_99.socket.\n";

int failure(const char* what, int error)
{
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
    return EXIT_FAILURE;
}

bool is_program(const std::string& path)
{
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

/// Whether execvp would find this command.
bool is_command(std::string_view name)
{
    if (name.empty())
        return false;
    if (name.find('/') != name.npos)
        return is_program(std::string{name});
    const char* path = std::getenv("PATH");
    if (path == nullptr)
        return false;
    for (std::string_view rest = path;;) {
        const auto colon = rest.find(':');
        std::string directory{rest.substr(0, colon)};
        if (is_program((directory.empty() ? "." : directory) + "/" + std::string{name}))
            return true;
        if (colon == rest.npos)
            return false;
        rest.remove_prefix(colon + 1);
    }
}

/// Connects, and makes the socket this descriptor, open for the program to be run.
void connect_as(int fd)
{
    const char* path = std::getenv("PASST_SOCKET");
    const int s = connect_to_passt(path != nullptr && *path != '\0' ? path : nullptr);
    // The socket's own number is closed by exec. Where it is the right one, dup2 would leave it so.
    if (s != fd && ::dup2(s, fd) < 0)
        throw start_error{"dup2", errno};
    if (s == fd && ::fcntl(s, F_SETFD, 0) < 0)
        throw start_error{"fcntl", errno};
}

/// Returns the error number. A program does not inherit that a pipe without readers is no signal to us.
int execute(const char* name, char** argv)
{
    std::signal(SIGPIPE, SIG_DFL);
    ::execvp(name, argv);
    const int error = errno;
    std::signal(SIGPIPE, SIG_IGN);
    return error;
}

int run_command(int fd, char** command)
{
    connect_as(fd);
    return failure("execvp", execute(command[0], command));
}

int run_rewritten(const std::vector<std::string>& arguments)
{
    auto rewritten = rewrite(arguments);
    if (rewritten.has_devices && !rewritten.slot) {
        std::fprintf(stderr, "Couldn't find free address for device\n%s", usage);
        return EXIT_FAILURE;
    }
    connect_as(rewritten_descriptor);

    std::vector<char*> argv{nullptr};
    for (auto& argument : rewritten.arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    for (const char* name : qemu_names) {
        std::string first{name};
        argv.front() = first.data();
        if (const int error = execute(name, argv.data()); error != ENOENT) {
            failure("execvp", error);
            std::fputs(usage, stderr);
            return EXIT_FAILURE;
        }
    }
    std::fputs("Couldn't find qemu command\n", stderr);
    return failure("execvp", ENOENT);
}

} // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN); // whether anybody reads our messages must not matter
    try {
        if (argc == 2 && argv[1] == std::string_view{"--help"}) {
            std::fputs(usage, stdout);
            return EXIT_SUCCESS;
        }
        if (argc >= 3)
            if (const auto fd = descriptor_number(argv[1])) {
                if (is_command(argv[2]))
                    return run_command(*fd, argv + 2);
                std::fprintf(stderr, "%s is not a command: %s and it are taken for arguments of QEMU\n", argv[2], argv[1]);
            }
        return run_rewritten({argv + (argc > 0 ? 1 : 0), argv + argc});
    } catch (const start_error& e) {
        return failure(e.what, e.number);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "qrap: %s\n", e.what());
        return EXIT_FAILURE;
    }
}
