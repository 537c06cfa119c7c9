#include "daemon/tap/device_state.hpp"

#include "daemon/os/event_fd.hpp"

#include <utility>

namespace tapioca {

device_state::device_state() : events_(os::make_event_fd()), answers_(os::make_event_fd()) {}

void device_state::begin(state_direction way, os::unique_fd fd) noexcept
{
    holds_.store(true, std::memory_order_release);
    {
        const std::lock_guard hold{lock_};
        begun_ = request{way, std::move(fd)};
        happened_ &= ~(static_cast<unsigned>(event::checked) | static_cast<unsigned>(event::rings_wanted));
        outcome_.reset();
    }
    os::signal(events_.get());
}

std::optional<bool> device_state::outcome() noexcept
{
    const std::lock_guard hold{lock_};
    return outcome_;
}

void device_state::clear_answer() noexcept { os::clear(answers_.get()); }

void device_state::note(event what) noexcept
{
    {
        const std::lock_guard hold{lock_};
        happened_ |= static_cast<unsigned>(what);
    }
    os::signal(events_.get());
}

device_state::news device_state::take_news() noexcept
{
    os::clear(events_.get());
    const std::lock_guard hold{lock_};
    const auto happened = std::exchange(happened_, 0U);
    const auto has = [happened](event e) { return (happened & static_cast<unsigned>(e)) != 0; };
    return {.front_end_gone = has(event::front_end_gone),
            .checked = has(event::checked),
            .begun = std::exchange(begun_, std::nullopt),
            .rings_wanted = has(event::rings_wanted)};
}

void device_state::finish(bool done) noexcept
{
    {
        const std::lock_guard hold{lock_};
        outcome_ = done;
    }
    os::signal(answers_.get());
}

void device_state::let_rings_run() noexcept
{
    holds_.store(false, std::memory_order_release);
    os::signal(answers_.get());
}

} // namespace tapioca
