#include "daemon/control/control.hpp"

#include "daemon/control/asio_reactor.hpp"
#include "daemon/netns/watch.hpp"
#include "daemon/os/clock.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/random.hpp"
#include "daemon/report/log.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>
#include <system_error>
#include <utility>

namespace tapioca {
namespace asio = boost::asio;
using boost::system::error_code;

constexpr duration longest_end_of_helpers = std::chrono::seconds{1};

// The tags of what Asio does for us inside this file.
// syscalls: epoll_wait epoll_ctl read write timerfd_settime clock_gettime
struct control::state {
    state(control_hooks h, netns::watch* w, std::optional<pid_t> c)
        : hooks(std::move(h)), watch(w), command(c), io(1), signals(io, SIGTERM, SIGQUIT, SIGUSR1), children(io), names(io),
          events(io), look(io), advertise(io), scan(io), statistics(io), random(os::random_key().k0)
    {
        if (command)
            children.add(SIGCHLD);
        if (watch && watch->events() >= 0)
            names.assign(watch->events());
        if (hooks.events >= 0)
            events.assign(hooks.events);
        wait_for_signal();
        wait_for_children();
        wait_for_namespace();
        wait_for_caller();
        wait_for_events();
        wait_for_advertisement();
        wait_for_scan();
        wait_for_statistics();
    }

    ~state()
    {
        for (auto* lent : {&names, &events})
            if (lent->is_open())
                lent->release(); // the watch owns it, or the workers
    }

    /// Whether the command is among the children that have ended; if so, its status is ours.
    bool reap()
    {
        const auto ended = os::reap_children(*command);
        if (ended)
            status = *ended;
        return command_ended = ended.has_value();
    }

    void end(int exit_status)
    {
        if (done)
            return; // it has ended
        status = exit_status;
        io.stop();
    }

    void wait_for_signal()
    {
        signals.async_wait([this](error_code error, int number) {
            if (error)
                return;
            wait_for_signal();
            if (number == SIGUSR1) {
                if (hooks.print_counters)
                    hooks.print_counters();
            } else {
                told_to_end = true;
                done ? hurry() : end(EXIT_SUCCESS);
            }
        });
    }

    void wait_for_children()
    {
        if (!command)
            return;
        children.async_wait([this](error_code error, int) {
            if (error)
                return;
            if (reap())
                return end(status);
            wait_for_children();
        });
    }

    void namespace_gone()
    {
        log::info("Namespace " + watch->path() + " is gone, exiting");
        end(EXIT_SUCCESS);
    }

    void wait_for_namespace()
    {
        if (!watch)
            return;
        if (names.is_open())
            return names.async_wait(asio::posix::stream_descriptor::wait_read, [this](error_code error) {
                if (error)
                    return;
                watch->gone_by_events() ? namespace_gone() : wait_for_namespace();
            });
        look.expires_after(std::chrono::seconds{1});
        look.async_wait([this](error_code error) {
            if (error)
                return;
            watch->gone() ? namespace_gone() : wait_for_namespace();
        });
    }

    void wait_for_caller()
    {
        if (hooks.exit_fd < 0)
            return;
        const bool watched = services.watch(hooks.exit_fd, readiness_for::closing, [this] {
            log::info("The other end of the descriptor of --exit-fd is closed, exiting");
            end(EXIT_SUCCESS);
        });
        if (!watched)
            throw std::system_error(errno, std::generic_category(), "Couldn't watch the descriptor of --exit-fd");
    }

    void wait_for_events()
    {
        if (!events.is_open())
            return;
        events.async_wait(asio::posix::stream_descriptor::wait_read, [this](error_code error) {
            if (error)
                return;
            hooks.drain_log();
            wait_for_events();
            if (done ? done() : hooks.finished && hooks.finished())
                done ? io.stop() : end(EXIT_SUCCESS);
        });
    }

    void wait_for_advertisement()
    {
        if (!hooks.router_advertisement)
            return;
        advertise.expires_after(std::chrono::seconds{std::uniform_int_distribution{200, 600}(random)});
        advertise.async_wait([this](error_code error) {
            if (error)
                return;
            hooks.router_advertisement();
            wait_for_advertisement();
        });
    }

    void wait_for_scan()
    {
        if (!hooks.scan_ports)
            return;
        scan.expires_after(until_next_scan);
        scan.async_wait([this](error_code error) {
            if (error || done)
                return;
            scan_now();
            wait_for_scan();
        });
    }

    void wait_for_statistics()
    {
        if (!hooks.show_statistics)
            return;
        statistics.expires_after(hooks.statistics_delay);
        statistics.async_wait([this](error_code error) {
            if (error)
                return;
            hooks.show_statistics();
            wait_for_statistics();
        });
    }

    /// With many sockets a scan is expensive: then the next one comes later, but a new port never waits two seconds.
    void scan_now()
    {
        const auto before = os::thread_time();
        hooks.scan_ports();
        const auto cost = os::thread_time() - before;
        until_next_scan = std::clamp<duration>(400 * cost, std::chrono::seconds{1}, std::chrono::milliseconds{1700});
    }

    void wait_for_helpers()
    {
        done = [] { return false; };
        hurry = [this] { io.stop(); };
        for (const int helper : std::vector{helpers})
            if (!services.watch(helper, readiness_for::reading, [this, helper] { helper_ended(helper); }))
                helper_ended(helper);
        services.call_in(longest_end_of_helpers, [this] { io.stop(); });
        io.restart();
        if (!helpers.empty())
            io.run();
    }

    void helper_ended(int helper)
    {
        services.forget(helper);
        std::erase(helpers, helper);
        if (helpers.empty())
            io.stop();
    }

    control_hooks hooks;
    std::function<bool()> done; ///< while wait_until() runs
    std::function<void()> hurry;
    netns::watch* watch;
    std::optional<pid_t> command;
    int status = EXIT_SUCCESS;
    bool command_ended = false, told_to_end = false;

    asio::io_context io;
    asio::signal_set signals, children;
    asio::posix::stream_descriptor names, events;
    asio::steady_timer look, advertise, scan, statistics;
    asio_reactor services{io};
    std::vector<control_service*> served;
    std::vector<int> helpers; ///< readable when a process beside us has ended
    std::mt19937_64 random;
    duration until_next_scan = std::chrono::seconds{1};
};

control::control(control_hooks hooks, netns::watch* watch, std::optional<pid_t> command)
    : state_(std::make_unique<state>(std::move(hooks), watch, command))
{
}

control::~control() = default;

void control::serve(control_service& service)
{
    service.start(state_->services);
    state_->served.push_back(&service);
}

void control::end_helpers()
{
    for (auto* service : state_->served)
        if (const int end = service->end_helpers(); end >= 0)
            state_->helpers.push_back(end);
}

void control::wait_for_helpers()
{
    if (!state_->helpers.empty())
        state_->wait_for_helpers();
}

int control::run()
{
    // Both may have ended before the loop starts.
    if (state_->command && state_->reap())
        return state_->status;
    if (state_->watch && state_->watch->gone()) {
        state_->namespace_gone();
        return state_->status;
    }
    if (state_->hooks.scan_ports)
        state_->scan_now();
    state_->io.run();
    if (state_->hooks.drain_log)
        state_->hooks.drain_log();
    return state_->status;
}

void control::wait_until(std::function<bool()> done, std::function<void()> hurry)
{
    state_->done = std::move(done);
    state_->hurry = std::move(hurry);
    if (!state_->done()) {
        state_->io.restart();
        state_->io.run();
    }
    if (state_->hooks.drain_log)
        state_->hooks.drain_log();
}

bool control::command_ended() const noexcept { return state_->command_ended; }

bool control::told_to_end() const noexcept { return state_->told_to_end; }

} // namespace tapioca
