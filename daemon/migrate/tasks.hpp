// What workers do while connections leave or arrive, and the wait for them.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/loop/worker_pool.hpp"

namespace tapioca {

class freeze_plane final : public plane_task {
    void act(plane& what, instant) noexcept override { what.freeze(); }
};

/// Letters that came before it have been read.
class read_mail final : public plane_task {
    void act(plane&, instant) noexcept override {}
};

class end_handshakes final : public plane_task {
    void act(plane& what, instant now) noexcept override { what.end_handshakes(now); }
};

/// What has left is forgotten; all rests on.
class forget_departed final : public plane_task {
    void act(plane& what, instant now) noexcept override { what.tcp().leave(now); }
};

/// Goes on, without what has left if it has.
class thaw_plane final : public plane_task {
public:
    enum class connections : std::uint8_t { stay, have_left };
    explicit thaw_plane(connections which) noexcept : which_(which) {}

private:
    void act(plane& what, instant now) noexcept override
    {
        if (which_ == connections::have_left)
            what.tcp().leave(now);
        what.thaw(now);
    }

    connections which_;
};

class settle_arrivals final : public plane_task {
public:
    std::vector<arriving_flow> arrivals;
    std::size_t settled = 0;

private:
    void act(plane& what, instant now) noexcept override
    {
        for (auto& a : arrivals)
            if (a.fd)
                settled += what.tcp().settle(a, now);
    }
};

class refuse_arrivals final : public plane_task {
public:
    std::vector<migrate::flow_record> refused;

private:
    void act(plane& what, instant) noexcept override
    {
        for (const auto& record : refused)
            what.tcp().refuse_arrival(record);
    }
};

void call_when_done(reactor& loop, std::vector<in_plane> tasks, std::function<void()> then);

/// Has all workers do it, and calls `then` once they have.
template <class Task, class... Arguments>
void have_all_do(worker_pool& workers, reactor& loop, std::function<void()> then, Arguments... arguments)
{
    std::vector<in_plane> tasks;
    for (std::size_t i = 0; i < workers.size(); ++i) {
        tasks.push_back(std::make_shared<Task>(arguments...));
        workers.ask(i, tasks.back());
    }
    call_when_done(loop, std::move(tasks), std::move(then));
}

} // namespace tapioca
