#include "daemon/migrate/tasks.hpp"

#include <algorithm>

namespace tapioca {
namespace {

constexpr duration look = std::chrono::microseconds{200};

} // namespace

void call_when_done(reactor& loop, std::vector<in_plane> tasks, std::function<void()> then)
{
    if (std::ranges::all_of(tasks, [](const auto& t) { return t->is_done(); }))
        return then();
    loop.call_in(look, [&loop, tasks = std::move(tasks), then = std::move(then)]() mutable {
        call_when_done(loop, std::move(tasks), std::move(then));
    });
}

} // namespace tapioca
