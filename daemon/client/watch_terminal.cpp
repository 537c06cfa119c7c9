#include "daemon/client/watch_terminal.hpp"

#include "daemon/client/tapioca_connection.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::client {
namespace {

constexpr std::string_view begin_screen = "\033[?1049h\033[?25l\033[?7l"; ///< second screen, no cursor, no wrapping
constexpr std::string_view end_screen = "\033[?7h\033[?25h\033[?1049l";

void write_all(std::string_view text) noexcept
{
    while (!text.empty()) {
        const auto count = ::write(STDOUT_FILENO, text.data(), text.size());
        if (count < 0 && errno != EINTR)
            return;
        text.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
}

} // namespace

os::unique_fd take_signals(std::initializer_list<int> numbers)
{
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : numbers)
        ::sigaddset(&set, number);
    os::unique_fd fd{::sigprocmask(SIG_BLOCK, &set, nullptr) == 0 ? ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) : -1};
    if (!fd)
        throw control_failure("couldn't wait for signals: " + std::generic_category().message(errno));
    return fd;
}

watch_terminal::watch_terminal() : keys_(STDIN_FILENO), signals_(take_signals({SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT}))
{
    if (::tcgetattr(keys_, &before_) != 0) {
        keys_ = -1; // there are no keys: a signal ends it
    } else {
        auto raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        (void)::tcsetattr(keys_, TCSANOW, &raw);
    }
    write_all(begin_screen);
}

watch_terminal::~watch_terminal()
{
    write_all(end_screen);
    if (keys_ >= 0)
        (void)::tcsetattr(keys_, TCSANOW, &before_);
}

watch_terminal::size watch_terminal::now() const noexcept
{
    winsize given{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &given) != 0 || given.ws_col == 0 || given.ws_row == 0)
        return {};
    return {given.ws_col, given.ws_row};
}

void watch_terminal::show(const std::vector<std::string>& lines) noexcept
{
    std::string text = "\033[H";
    for (std::size_t i = 0; i < lines.size(); ++i)
        text += (i == 0 ? "" : "\r\n") + lines[i] + "\033[K";
    write_all(text + "\033[J");
}

bool watch_terminal::ends_by_key() noexcept
{
    constexpr char control_c = 3;
    std::array<char, 32> pressed{};
    const auto count = ::read(keys_, pressed.data(), pressed.size());
    if (count <= 0)
        return true; // the terminal is gone
    const std::string_view keys{pressed.data(), static_cast<std::size_t>(count)};
    return keys.find_first_of("qQ") != std::string_view::npos || keys.find(control_c) != std::string_view::npos;
}

bool watch_terminal::ends_by_signal() noexcept
{
    bool ends = false;
    signalfd_siginfo came{};
    while (::read(signals_.get(), &came, sizeof came) == sizeof came)
        ends = ends || came.ssi_signo != SIGWINCH;
    return ends;
}

} // namespace tapioca::client
