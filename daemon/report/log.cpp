#include "daemon/report/log.hpp"

#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/capped_file.hpp"
#include "daemon/report/rate_limit.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <utility>

namespace tapioca::log {
namespace {

using spdlog_level = spdlog::level::level_enum;
using buffer = fmt::basic_memory_buffer<char, 4096>;

const auto process_start = std::chrono::steady_clock::now();

instant now() { return instant{std::chrono::duration_cast<duration>(std::chrono::steady_clock::now() - process_start)}; }

/// Seconds since the start, with four digits.
void put_time(buffer& out)
{
    const auto units = now().time_since_epoch() / std::chrono::microseconds{100};
    fmt::format_to(std::back_inserter(out), "{}.{:04}", units / 10000, units % 10000);
}

spdlog_level to_spdlog(severity what)
{
    constexpr std::array levels{spdlog_level::critical, spdlog_level::err,   spdlog_level::warn,
                                spdlog_level::info,     spdlog_level::debug, spdlog_level::trace};
    return levels[static_cast<std::size_t>(what)];
}

std::string_view text_of(const spdlog::details::log_msg& message) { return {message.payload.data(), message.payload.size()}; }

// The sinks write the text themselves: spdlog's patterns would read the time zone from a file.
class sink : public spdlog::sinks::base_sink<std::mutex> {
protected:
    void flush_() final {}
};

class stderr_sink final : public sink {
public:
    void use(os::unique_fd fd) noexcept { other_ = std::move(fd); }
    void show_time() noexcept { with_time_ = true; }

private:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        buffer line;
        if (with_time_) {
            put_time(line);
            line.append(std::string_view{": "});
        }
        line.append(text_of(message));
        line.push_back('\n');
        (void)os::write_all(other_ ? other_.get() : standard_error,
                            {line.data(), line.size()}); // an error cannot be reported anywhere
    }

    static constexpr int standard_error = 2;
    os::unique_fd other_;
    bool with_time_ = false;
};

class file_sink final : public sink {
public:
    explicit file_sink(report::capped_file file) : file_(std::move(file)) {}

private:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        buffer time;
        put_time(time);
        const std::string_view seconds{time.data(), time.size()};
        buffer line;
        fmt::format_to(std::back_inserter(line), "{}: {:<9}{}", seconds, prefix(message.level), text_of(message));
        file_.write({line.data(), line.size()}, seconds);
    }

    static std::string_view prefix(spdlog_level level)
    {
        switch (level) {
        case spdlog_level::err:
            return "ERROR:";
        case spdlog_level::warn:
            return "WARNING:";
        case spdlog_level::critical: // an answer
        case spdlog_level::info:
            return "info:";
        default:
            return "";
        }
    }

    report::capped_file file_;
};

/// RFC 3164 §4.1.1: facility 3 (system daemons) times eight, plus the severity.
class syslog_sink final : public sink {
public:
    syslog_sink(os::unique_fd socket, std::string name) : socket_(std::move(socket)), name_(std::move(name)) {}

private:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        constexpr int daemon_facility = 3;
        const int level = message.level == spdlog_level::err     ? 3
                          : message.level == spdlog_level::warn  ? 4
                          : message.level == spdlog_level::debug ? 7
                          : message.level == spdlog_level::trace ? 7
                                                                 : 6;
        buffer line;
        fmt::format_to(std::back_inserter(line), "<{}> {}: {}", daemon_facility * 8 + level, name_, text_of(message));
        // The queue of a busy reader holds ten lines and is waited for; one that reads nothing is waited for once.
        reads_ = os::send_datagram(socket_.get(), {line.data(), line.size()}, reads_ ? os::patience::some : os::patience::none);
    }

    os::unique_fd socket_;
    std::string name_;
    bool reads_ = true;
};

struct state {
    std::shared_ptr<stderr_sink> user = std::make_shared<stderr_sink>();
    spdlog::logger logger{"", user};
    spdlog_level level = spdlog_level::info;

    struct call_site {
        const char* file;
        unsigned line;
        report::rate_limit limit;
    };
    std::array<call_site, 64> sites{};
    std::size_t known_sites = 0;

    state() { logger.set_level(level); }
};

state& the()
{
    static state instance;
    return instance;
}

spdlog_level threshold(log_level level)
{
    switch (level) {
    case log_level::quiet:
        return spdlog_level::warn;
    case log_level::normal:
        return spdlog_level::info;
    case log_level::debug:
        return spdlog_level::debug;
    case log_level::trace:
        return spdlog_level::trace;
    }
    return spdlog_level::info;
}

/// The record of a call site; those beyond the table share its last entry.
report::rate_limit& limit_of(const std::source_location& where)
{
    state& all = the();
    for (std::size_t i = 0; i < all.known_sites; ++i)
        if (all.sites[i].file == where.file_name() && all.sites[i].line == where.line())
            return all.sites[i].limit;
    if (all.known_sites < all.sites.size())
        all.sites[all.known_sites++] = {where.file_name(), where.line(), {}};
    return all.sites[all.known_sites - 1].limit;
}

} // namespace

void start(destinations where)
{
    state& all = the();
    all.level = threshold(where.level);
    all.logger.set_level(all.level);
    const bool debugging = all.level <= spdlog_level::debug;
    if (debugging)
        all.user->show_time();
    if (where.file) {
        std::string header = fmt::format("{} {}: {} ({})", where.name, TAPIOCA_VERSION, os::executable_path(), os::own_pid());
        report::capped_file file{std::move(where.file), where.file_cap, std::move(header)};
        all.logger.sinks().push_back(std::make_shared<file_sink>(std::move(file)));
    } else if (where.syslog && !debugging) {
        all.logger.sinks().push_back(std::make_shared<syslog_sink>(std::move(where.syslog), where.name));
    }
}

void use_stderr(os::unique_fd fd)
{
    if (fd)
        the().user->use(std::move(fd));
}

void release_stderr()
{
    std::erase(the().logger.sinks(), the().user);
    the().user->use({});
}

bool enabled(severity what) noexcept { return to_spdlog(what) >= the().level; }

void write(severity what, std::string_view text)
{
    the().logger.log(to_spdlog(what), spdlog::string_view_t{text.data(), text.size()});
}

void limited(severity what, std::string_view text, std::source_location where)
{
    if (!enabled(what))
        return;
    const auto verdict = limit_of(where).ask(now());
    if (verdict.what == report::rate_limit::verdict::suppress)
        return;
    buffer line;
    if (verdict.suppressed > 0) {
        fmt::format_to(std::back_inserter(line), "(suppressed {} similar messages)", verdict.suppressed);
        write(what, {line.data(), line.size()});
        line.clear();
    }
    line.append(text);
    if (verdict.what == report::rate_limit::verdict::say_and_announce_silence)
        line.append(std::string_view{" (suppressing further similar messages)"});
    write(what, {line.data(), line.size()});
}

} // namespace tapioca::log
