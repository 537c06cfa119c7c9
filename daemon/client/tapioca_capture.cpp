#include "daemon/client/tapioca_capture.hpp"

#include "daemon/client/filter_compiler.hpp"
#include "daemon/client/tapioca_capture_blocks.hpp"
#include "daemon/client/tapioca_capture_files.hpp"
#include "daemon/client/tapioca_capture_options.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "proto/capture/filter_text.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <system_error>

namespace tapioca::client {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_message = 128 << 10;
constexpr int wanted_buffer = 4 << 20; ///< of the socket; the kernel allows less (net.core.wmem_max) to whoever is not root

std::string error_text() { return std::generic_category().message(errno); }

/// Descriptors in place of handlers.
os::unique_fd ending_signals()
{
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int s : {SIGINT, SIGTERM, SIGHUP})
        ::sigaddset(&signals, s);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return os::unique_fd{::signalfd(-1, &signals, SFD_CLOEXEC)};
}

json::object parameters_of(const capture_wishes& wishes)
{
    std::string text(bpf::longest_text, '\0');
    text.resize(bpf::write_text(wishes.filter, text));
    json::object parameters{{"filter", text}, {"snaplen", wishes.snapshot}, {"drops_only", wishes.drops_only}};
    if (!wishes.direction.empty())
        parameters["direction"] = wishes.direction;
    return parameters;
}

std::uint64_t number_in(const json::object& reply, const char* name)
{
    const auto* value = reply.if_contains(name);
    return value != nullptr && value->is_int64() ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

class capturing {
public:
    capturing(control_connection& server, const std::function<bool(bytes_view)>& take)
        : server_(server), take_(take), signals_(ending_signals()),
          message_(std::make_unique_for_overwrite<octet[]>(longest_message))
    {
    }

    void begin(const capture_wishes& wishes)
    {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
            throw control_failure("couldn't make a socket: " + error_text());
        frames_ = os::unique_fd{ends[0]};
        const os::unique_fd theirs{ends[1]};
        if (::setsockopt(theirs.get(), SOL_SOCKET, SO_SNDBUFFORCE, &wanted_buffer, sizeof wanted_buffer) != 0)
            (void)::setsockopt(theirs.get(), SOL_SOCKET, SO_SNDBUF, &wanted_buffer, sizeof wanted_buffer);
        server_.ask("Capture", parameters_of(wishes), theirs.get());
        (void)server_.reply();
    }

    capture_end go_on()
    {
        std::array<pollfd, 3> ready{{{frames_.get(), POLLIN, 0}, {server_.descriptor(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
        while (true) {
            if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR)
                throw control_failure("couldn't wait: " + error_text());
            if (ready[2].revents != 0)
                stop();
            if (ready[0].revents != 0 && !receive())
                ready[0].fd = -1;
            if (ready[1].revents != 0)
                return last_words();
        }
    }

private:
    /// Whatever is said ends the capture.
    void stop()
    {
        if (!stopped_)
            server_.ask("GetInfo", {}, -1);
        stopped_ = true;
    }

    /// One message. False: there are no more now.
    bool receive()
    {
        const auto n = ::recv(frames_.get(), message_.get(), longest_message, MSG_DONTWAIT);
        if (n <= 0)
            return false;
        if (!take_({message_.get(), static_cast<std::size_t>(n)}))
            stop();
        return true;
    }

    capture_end last_words()
    {
        octet any = 0;
        capture_end end;
        if (::recv(server_.descriptor(), &any, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
            const auto reply = server_.reply();
            end = {number_in(reply, "chosen"), number_in(reply, "lost"), true};
        }
        stopped_ = true; // there is nobody to be told
        while (receive()) {
        }
        return end;
    }

    control_connection& server_;
    const std::function<bool(bytes_view)>& take_;
    os::unique_fd signals_, frames_;
    std::unique_ptr<octet[]> message_;
    bool stopped_ = false;
};

/// The frames of messages, up to the last one that is wanted.
class counted_frames {
public:
    explicit counted_frames(std::uint64_t most) : most_(most) {}

    template <class Take>
    bool take(bytes_view message, Take take_block)
    {
        bool goes_on = true;
        each_block(message, [&](std::uint32_t type, bytes_view block) {
            if (type == frame_block && most_ != 0 && taken_ == most_)
                return true;
            taken_ += type == frame_block;
            return goes_on = take_block(type, block);
        });
        return goes_on && (most_ == 0 || taken_ < most_);
    }
    [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

private:
    std::uint64_t most_, taken_ = 0;
};

bool print_line(std::uint32_t type, bytes_view block)
{
    if (type != frame_block)
        return true;
    const auto line = line_of(read_frame(block));
    return std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
}

} // namespace

capture_end capture(control_connection& server, const capture_wishes& wishes, const std::function<bool(bytes_view)>& take,
                    const std::function<void()>& begun)
{
    capturing c{server, take};
    c.begin(wishes);
    begun();
    return c.go_on();
}

std::string changing_path(std::optional<pid_t> of)
{
    auto found = find_instances();
    if (of)
        std::erase_if(found, [&](const instance& i) { return i.pid != *of; });
    if (of && found.empty())
        throw control_failure(
            "process " + std::to_string(*of) +
            " is no instance of this user's that can be seen in this network namespace; 'tapioca ps' lists them");
    if (found.size() != 1)
        throw control_failure(found.empty() ? "there is no instance" : "there are several instances: name one by its PID");
    control_connection seen{found.front()};
    const auto info = seen.call("GetInfo");
    const auto* known = info.if_contains("control_path");
    if (known == nullptr || !known->is_string())
        throw control_failure("process " + std::to_string(found.front().pid) +
                              ": not permitted: captures need an instance that was started with --control PATH");
    return json::value_to<std::string>(*known);
}

int run_capture(const tapioca_command&)
{
    const char* const alone[] = {"capture"};
    return run_capture(alone);
}

int run_capture(std::span<const char* const> argv)
{
    const auto command = parse_capture_command(argv);
    const capture_wishes wishes{compile_filter(command.filter, command.snapshot), command.snapshot, command.drops_only,
                                command.direction};
    control_connection server{command.path ? *command.path : changing_path(command.pid)};
    counted_frames frames{command.count};
    capture_files files{command.file.value_or(""), command.file_octets, command.files};
    bool has_file = false;
    const auto take = [&](bytes_view message) {
        if (!command.file) {
            const bool goes_on = frames.take(message, print_line);
            return std::fflush(stdout) == 0 && goes_on;
        }
        if (!has_file) {
            files.begin(message);
            return has_file = true;
        }
        return frames.take(message, [&](std::uint32_t, bytes_view block) { return files.write(block); });
    };
    const auto end = capture(server, wishes, take, [] { std::fputs("capturing\n", stderr); });
    if (end.told)
        std::fprintf(stderr, "%ju frames captured, %ju lost\n", static_cast<std::uintmax_t>(frames.taken()),
                     static_cast<std::uintmax_t>(end.lost));
    else
        std::fprintf(stderr, "%ju frames captured; the instance has ended\n", static_cast<std::uintmax_t>(frames.taken()));
    return EXIT_SUCCESS;
}

} // namespace tapioca::client
