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
#include <unistd.h>

namespace tapioca::client {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t most = 65536;
constexpr std::chrono::seconds patience{2};

int status_of(pid_t child)
{
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

[[noreturn]] void execute(char* const* argv, int output)
{
    if (const int null = ::open("/dev/null", O_RDONLY); null >= 0)
        ::dup2(null, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::execv(argv[0], argv);
    ::_exit(127);
}

/// To its end, as far as that comes in time.
std::string read_all(int fd)
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

} // namespace

std::string output_of(const std::vector<std::string>& argv)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return {};
    const os::unique_fd reader{ends[0]};
    os::unique_fd writer{ends[1]};
    std::vector<char*> words;
    for (const auto& word : argv)
        words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const pid_t child = ::fork();
    if (child < 0)
        return {};
    if (child == 0)
        execute(words.data(), writer.get());
    writer.reset();
    auto text = read_all(reader.get());
    ::kill(child, SIGKILL);
    (void)status_of(child);
    return text;
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
