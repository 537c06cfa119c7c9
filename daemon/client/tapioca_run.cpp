#include "daemon/client/tapioca_run.hpp"

#include "daemon/os/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::client {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t most = 65536;
constexpr std::chrono::seconds usual_run{2};

int status_of(pid_t child)
{
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

struct running {
    pid_t child = -1;
    os::unique_fd output;
};

/// `directory`: where it starts, in a session of its own; null: in ours, as a part of our session.
[[noreturn]] void execute(char* const* argv, int output, const char* directory)
{
    if (directory != nullptr && (::setsid() < 0 || ::chdir(directory) != 0))
        ::_exit(126);
    if (const int null = ::open("/dev/null", O_RDONLY); null >= 0)
        ::dup2(null, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::execv(argv[0], argv);
    ::_exit(127);
}

/// To its end, as far as that comes in time.
std::string read_all(int fd, std::chrono::seconds patience)
{
    const auto end = clock::now() + patience;
    std::string text;
    std::array<char, 4096> buffer{};
    while (text.size() < most) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now());
        pollfd ready{fd, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0)
            break;
        const auto count = ::read(fd, buffer.data(), buffer.size());
        if (count <= 0)
            break;
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
}

/// A child of -1 with errno if there is none.
running start(const std::vector<std::string>& argv, const char* directory)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return {};
    running one{-1, os::unique_fd{ends[0]}};
    const os::unique_fd writer{ends[1]};
    std::vector<char*> words;
    for (const auto& word : argv)
        words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    one.child = ::fork();
    if (one.child == 0)
        execute(words.data(), writer.get(), directory);
    return one;
}

} // namespace

std::string output_of(const std::vector<std::string>& argv)
{
    auto running = start(argv, nullptr);
    if (running.child < 0)
        return {};
    auto text = read_all(running.output.get(), usual_run);
    ::kill(running.child, SIGKILL);
    (void)status_of(running.child);
    return text;
}

started start_in_background(const std::vector<std::string>& argv, const std::string& directory, std::chrono::seconds patience)
{
    const auto end = clock::now() + patience;
    auto running = start(argv, directory.c_str());
    if (running.child < 0)
        return {-1, std::generic_category().message(errno)};
    started done{-1, read_all(running.output.get(), patience)};
    if (clock::now() >= end)
        ::kill(running.child, SIGKILL);
    if (const int status = status_of(running.child); WIFEXITED(status))
        done.status = WEXITSTATUS(status);
    return done;
}

std::string first_lines(std::string_view text, int count)
{
    std::size_t end = 0;
    for (; count > 0 && end < text.size(); --count)
        end = std::min(text.find('\n', end), text.size() - 1) + 1;
    text = text.substr(0, end);
    return std::string{text.substr(0, text.find_last_not_of('\n') + 1)};
}

int result_in_child(int (*attempt)())
{
    const pid_t child = ::fork();
    if (child < 0)
        return errno;
    if (child == 0)
        ::_exit(attempt());
    const int status = status_of(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM; // a filter has killed it
}

} // namespace tapioca::client
