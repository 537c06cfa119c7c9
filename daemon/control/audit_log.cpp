#include "daemon/control/audit_log.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/event_fd.hpp"
#include "daemon/report/log.hpp"

#include <cerrno>
#include <utility>

namespace tapioca {

namespace {

constexpr std::size_t records_at_once = 2048; ///< then others in the main thread have their turn
constexpr duration between_sums = std::chrono::seconds{1};
constexpr duration before_retry = std::chrono::milliseconds{500};
constexpr duration at_once{};
constexpr duration between_looks = std::chrono::seconds{1}; ///< at the end, at a reader that has to go on
constexpr int most_looks = 30;

} // namespace

audit_log::audit_log(os::unique_fd file, audit_mode mode, worker_pool& workers)
    : file_(std::move(file)), mode_(mode), workers_(workers)
{
}

void audit_log::start(reactor& loop) { loop_ = &loop; }

void audit_log::drain()
{
    lines_.note_policy(workers_.config().egress);
    const auto clock = os::since_1970() - os::now().time_since_epoch();
    std::size_t taken = 0;
    more_ = workers_.drain_audit([&](std::size_t worker, const report::audit_record& record) {
        if (!file_.has_room() || taken == records_at_once)
            return false;
        ++taken;
        lines_.take(worker, record, clock, file_.lines());
        return true;
    });
    if (!more_)
        lines_.forget_policies();
    tell_losses();
    write();
    if (taken != 0 && !std::exchange(sums_up_, true))
        loop_->call_in(between_sums, [this] { tell_repeats(); });
    if (more_ && file_.has_room())
        go_on_soon();
    if (finishes_ && !more_ && file_.is_written())
        end_finishing();
}

/// What the workers had no room for, and what was not let through because of that.
void audit_log::tell_losses()
{
    if (!file_.has_room())
        return;
    std::uint64_t unrecorded = 0;
    for (std::size_t i = 0; i < workers_.size(); ++i)
        unrecorded += workers_.counters_of(i).dropped(drop_reason::audit_full);
    if (const auto before = std::exchange(lost_, workers_.audit_records_lost()); before != lost_)
        audit_lines::tell_lost(lost_ - before, os::since_1970(), file_.lines());
    if (const auto before = std::exchange(unrecorded_, unrecorded); before != unrecorded_)
        audit_lines::tell_unrecorded(unrecorded_ - before, os::since_1970(), file_.lines());
}

void audit_log::tell_repeats()
{
    sums_up_ = !file_.has_room() || lines_.tell_repeats(os::since_1970(), file_.lines());
    tell_losses();
    write();
    if (sums_up_)
        loop_->call_in(between_sums, [this] { tell_repeats(); });
}

void audit_log::go_on_soon()
{
    if (!std::exchange(soon_, true))
        loop_->call_in(at_once, [this] {
            soon_ = false;
            drain();
        });
}

void audit_log::write()
{
    if (waits_ || retries_)
        return;
    const auto written = file_.write();
    if (written) {
        if (std::exchange(fails_, false)) {
            workers_.stop_audit(false);
            log::warning("The audit log can be written again");
        }
        return;
    }
    written.error().value() == EAGAIN ? wait_for_reader() : fail(written.error().message());
}

void audit_log::wait_for_reader()
{
    const int fd = file_.descriptor();
    waits_ = loop_->watch(fd, readiness_for::writing, [this, fd] {
        loop_->forget(fd);
        waits_ = false;
        drain();
    });
    if (!waits_)
        fail("nothing says when there is room again");
}

/// The file does not take lines: it is tried again and again.
void audit_log::fail(const std::string& why)
{
    if (!std::exchange(fails_, true)) {
        workers_.stop_audit(true);
        log::error("Couldn't write the audit log: " + why +
                   (mode_ == audit_mode::required ? "; nothing new is let through until that is over" : ""));
    }
    retries_ = true;
    loop_->call_in(before_retry, [this] {
        if (std::exchange(retries_, false))
            drain();
    });
}

std::string audit_log::reopen(os::unique_fd file)
{
    // A descriptor that the kernel can watch may make a writer wait, whatever it was opened with.
    if (loop_->watch(file.get(), readiness_for::writing, [] {})) {
        loop_->forget(file.get());
        return "it is no file";
    }
    drain();
    if (waits_) {
        loop_->forget(file_.descriptor());
        waits_ = false;
    }
    std::string first;
    audit_lines::tell_reopened(os::since_1970(), first);
    if (const auto done = file_.replace(std::move(file), first); !done) {
        write();
        return done.error().message();
    }
    retries_ = false;
    drain();
    return {};
}

void audit_log::finish()
{
    finishes_ = true;
    (void)lines_.tell_repeats(os::since_1970(), file_.lines());
    drain();
    look_at_reader(most_looks, file_.written());
}

void audit_log::look_at_reader(int looks, std::uint64_t written)
{
    if (finished_)
        return;
    loop_->call_in(between_looks, [this, looks, written] {
        if (looks == 0 || file_.written() == written)
            return end_finishing();
        look_at_reader(looks - 1, file_.written());
    });
}

void audit_log::end_finishing()
{
    if (std::exchange(finished_, true))
        return;
    if (more_ || !file_.is_written())
        log::error("The audit log is not complete: what was recorded last could not be written");
    os::signal(workers_.events());
}

} // namespace tapioca
