#include "daemon/migrate/migration.hpp"

#include "daemon/report/log.hpp"

#include <memory>
#include <string>
#include <utility>

namespace tapioca {
namespace {

/// From the end of the hold until rings take frames.
constexpr duration until_rings_run = std::chrono::milliseconds{20};
constexpr duration longest = std::chrono::seconds{120};

} // namespace

migration::migration(worker_pool& workers, os::unique_fd repair, options how) noexcept
    : workers_(workers), state_(*workers.guest_state()), repair_(std::move(repair)), how_(how)
{
}

void migration::start(reactor& loop)
{
    loop_ = &loop;
    repair_.start(loop);
    (void)loop.watch(state_.events(), readiness_for::reading, [this] { take_news(); });
}

void migration::take_news()
{
    auto news = state_.take_news();
    if (news.checked && is_written_)
        note_left();
    if (news.front_end_gone)
        front_end_gone();
    if (news.begun)
        begin(std::move(*news.begun));
    if (news.rings_wanted)
        rings_wanted();
}

void migration::begin(device_state::request asked)
{
    if (is_changing_ || (leaving_ && leaving_->is_writing()) || (coming_ && coming_->is_reading())) {
        log::error("Migration: the guest's state is asked for while one is on its way");
        return state_.finish(false);
    }
    coming_.reset();
    if (leaving_)
        return begin_again(std::move(asked));
    ++number_;
    const migration_means means{*loop_, workers_, repair_};
    is_written_ = has_left_ = front_end_left_ = false;
    if (asked.way == state_direction::save) {
        leaving_.emplace(means);
        leaving_->begin(std::move(asked.fd), [this](bool done) {
            is_written_ = done;
            state_.finish(done);
            if (!done)
                log::error("Migration: the guest's state was not taken, it stays here");
        });
    } else {
        coming_.emplace(means);
        coming_->begin(std::move(asked.fd), [this](bool done) {
            if (done)
                log::info("Migration: connections that came with the guest: " + std::to_string(coming_->count()) +
                          ", that could not: " + std::to_string(coming_->refused()));
            state_.finish(done);
        });
    }
    loop_->call_in(longest, [this, begun = number_] {
        if (begun == number_ && leaving_)
            leaving_->abandon();
        if (begun == number_ && coming_)
            coming_->abandon();
    });
}

/// The state was taken before, or could not be, and the guest has rested since then.
void migration::begin_again(device_state::request asked)
{
    is_changing_ = true;
    auto then = [this, way = asked.way, fd = std::make_shared<os::unique_fd>(std::move(asked.fd))] {
        is_changing_ = false;
        leaving_.reset();
        begin({way, std::move(*fd)});
    };
    has_left_&& front_end_left_ ? leaving_->forget(std::move(then)) : leaving_->resume(std::move(then));
}

/// The front-end knows that the state is complete.
void migration::note_left()
{
    has_left_ = has_ever_left_ = true;
    log::info("Migration complete, connections that have left: " + std::to_string(leaving_->count()));
    leaving_->complete();
    if (!how_.lingers || how_.exits)
        leaving_->drop([this] {
            is_dropped_ = true;
            workers_.ring_bell();
        });
}

/// Without it nobody will say that the state was taken. If it was, it is used elsewhere.
void migration::front_end_gone()
{
    front_end_left_ = true;
    if (coming_) {
        coming_->abandon();
        coming_.reset();
        state_.let_rings_run();
    }
    if (leaving_ && !has_left_) {
        leaving_->abandon();
        resume();
    }
}

void migration::rings_wanted()
{
    if (is_changing_) // they are let go behind it
        return;
    if (leaving_)
        return resume();
    run_rings();
    if (coming_)
        loop_->call_in(until_rings_run, [this] {
            if (coming_)
                coming_->complete();
            coming_.reset();
        });
}

/// The guest goes on here; another guest does, if that one has left with its front-end.
void migration::resume()
{
    is_changing_ = true;
    auto then = [this] {
        is_changing_ = false;
        leaving_.reset();
        run_rings();
    };
    if (has_left_ && front_end_left_)
        return leaving_->forget(std::move(then));
    log::info("Migration: the guest goes on here");
    leaving_->resume(std::move(then));
}

void migration::run_rings()
{
    has_left_ = false;
    state_.let_rings_run();
}

} // namespace tapioca
