// tapioca watch: what an instance does while it does it.
#include "daemon/client/json_text.hpp"
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/client/text_table.hpp"
#include "daemon/client/watch_feed.hpp"
#include "daemon/client/watch_terminal.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <poll.h>

namespace tapioca::client {

namespace json = boost::json;

namespace {

using clock = watch_feed::clock;
/// Connects to the instance that is watched, as often as it is called.
using connector = std::function<control_connection()>;

constexpr std::chrono::seconds between_looks{1};

std::string title_of(const json::object& info)
{
    auto title = text_in(info, "mode") + ' ' + text_in(info, "pid");
    if (const auto network = text_in(info, "namespace"); !network.empty())
        title += "  " + network;
    return printable(title);
}

bool speaks_unicode()
{
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
            const std::string_view locale{value};
            return locale.find("UTF-8") != std::string_view::npos || locale.find("utf8") != std::string_view::npos;
        }
    return false;
}

page_style style_of_terminal()
{
    const char* no_colour = std::getenv("NO_COLOR");
    return {.colour = no_colour == nullptr || *no_colour == '\0', .unicode = speaks_unicode()};
}

/// Two conversations with the instance: what happens, and what it has counted and which flows there are, each second.
class watched_instance {
public:
    explicit watched_instance(const connector& connect)
        : connect_(connect), events_(connect()), asked_(connect()), feed_(title_of(asked_.call("GetInfo")))
    {
        events_.ask("WatchEvents", {});
    }

    [[nodiscard]] const watch_model& model() const noexcept { return feed_.model(); }
    [[nodiscard]] int events() const noexcept { return events_.descriptor(); }
    [[nodiscard]] int answers() const noexcept { return asked_.descriptor(); }

    /// Asks again, unless it has not answered yet.
    void ask()
    {
        if (lists_)
            return;
        asked_.ask("GetCounters", {});
        asked_.ask("ListFlows", {{"details", true}});
        lists_ = true;
    }

    void take_events()
    {
        events_.read();
        while (const auto reply = events_.take())
            feed_.take_events(reply->parameters);
    }

    void take_answers()
    {
        asked_.read();
        while (const auto reply = asked_.take()) {
            const auto now = clock::now();
            if (reply->parameters.if_contains("total") != nullptr) {
                feed_.take_counters(reply->parameters, now);
                continue;
            }
            const bool enough = !feed_.take_flows(reply->parameters, now);
            if (reply->continues && !enough)
                continue;
            feed_.end_flows(now);
            lists_ = false;
            if (reply->continues) { // that ends it
                asked_ = connect_();
                return;
            }
        }
    }

private:
    const connector& connect_;
    control_connection events_, asked_;
    watch_feed feed_;
    bool lists_ = false;
};

/// A page on standard output, which is a terminal, until the user or the instance ends it.
void watch_on_terminal(const connector& connect)
{
    watched_instance instance{connect};
    watch_terminal terminal;
    const auto style = style_of_terminal();
    for (auto next = clock::now();;) {
        if (clock::now() >= next) {
            instance.ask();
            next = clock::now() + between_looks;
        }
        const auto [columns, rows] = terminal.now();
        terminal.show(page_of(instance.model(), columns, rows, style));
        std::array<pollfd, 4> ready{{{terminal.keys(), POLLIN, 0},
                                     {terminal.signals(), POLLIN, 0},
                                     {instance.events(), POLLIN, 0},
                                     {instance.answers(), POLLIN, 0}}};
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - clock::now()).count();
        if (::poll(ready.data(), ready.size(), static_cast<int>(std::max<std::int64_t>(wait, 0))) < 0)
            continue;
        if (ready[0].revents != 0 && terminal.ends_by_key())
            return;
        if (ready[1].revents != 0 && terminal.ends_by_signal())
            return;
        if (ready[2].revents != 0)
            instance.take_events();
        if (ready[3].revents != 0)
            instance.take_answers();
    }
}

/// A line for each event, until the instance ends or nobody reads. `as_json`: the events as they come.
void watch_as_lines(const connector& connect, bool as_json)
{
    auto events = connect();
    const auto signals = take_signals({SIGINT, SIGTERM, SIGHUP});
    events.ask("WatchEvents", {});
    for (;;) {
        std::array<pollfd, 3> ready{
            {{events.descriptor(), POLLIN, 0}, {signals.get(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}}}; // POLLERR: nobody reads
        if (::poll(ready.data(), ready.size(), -1) < 0)
            continue;
        if (ready[1].revents != 0 || ready[2].revents != 0)
            return;
        events.read();
        while (const auto reply = events.take()) {
            std::string lines;
            for (const auto* event : objects_in(reply->parameters, "events"))
                lines += (as_json ? json::serialize(*event) : line_of(*event)) + '\n';
            if (const auto lost = number_in(reply->parameters, "lost"); lost != 0)
                lines += as_json ? "{\"event\":\"lost\",\"count\":" + std::to_string(lost) + "}\n"
                                 : std::to_string(lost) + " events were lost\n";
            if (std::fwrite(lines.data(), 1, lines.size(), stdout) != lines.size() || std::fflush(stdout) != 0)
                return;
        }
    }
}

} // namespace

/// The instance's end is that of watching it.
int run_watch(const tapioca_command& command)
{
    std::optional<instance> whom;
    if (!command.path) {
        const auto found = wanted_instances(command);
        if (found.size() != 1)
            throw control_failure(found.empty() ? "there is no instance" : "there are several instances: name one by its PID");
        whom = found.front();
    }
    const connector connect = [&] { return whom ? control_connection{*whom} : control_connection{*command.path}; };
    try {
        if (terminal_width() != 0 && !command.json)
            watch_on_terminal(connect);
        else
            watch_as_lines(connect, command.json);
    } catch (const control_failure&) {
        const auto there = find_instances();
        if (!whom || std::ranges::find(there, *whom) != there.end())
            throw;
    }
    return EXIT_SUCCESS;
}

} // namespace tapioca::client
