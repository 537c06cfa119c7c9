#include "daemon/control/asio_reactor.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/poller.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <map>
#include <vector>

namespace tapioca {

namespace asio = boost::asio;
using boost::system::error_code;

/// Asio sets the flags of each descriptor that it is given, which the sealed process may not. So it has one, of a poller that
/// has all others.
struct asio_reactor::state {
    struct watched {
        std::uint32_t number = 0; ///< tells it from others that had the same descriptor
        std::function<void()> ready;
    };

    explicit state(asio::io_context& context) : io(context), readiness(context, poller.descriptor()) { wait(); }
    ~state() { readiness.release(); }

    void wait()
    {
        readiness.async_wait(asio::posix::stream_descriptor::wait_read, [this](error_code error) {
            if (error)
                return;
            dispatch();
            wait();
        });
    }

    void dispatch()
    {
        std::vector<std::uint32_t> ready; // numbers: whoever is called may forget any of them
        for (const auto& event : poller.wait(os::now(), instant{}))
            ready.push_back(event.what.id);
        for (const auto number : ready)
            for (const auto& [fd, w] : descriptors)
                if (w.number == number) {
                    const auto call = w.ready;
                    call();
                    break;
                }
    }

    asio::io_context& io;
    os::poller poller;
    asio::posix::stream_descriptor readiness;
    std::map<int, watched> descriptors;
    std::uint32_t next = 0;
};

asio_reactor::asio_reactor(asio::io_context& io) : state_(std::make_unique<state>(io)) {}

asio_reactor::~asio_reactor() = default;

bool asio_reactor::watch(int fd, readiness_for what, std::function<void()> ready)
{
    forget(fd);
    const auto number = ++state_->next;
    const auto trigger = what == readiness_for::reading   ? os::trigger::level
                         : what == readiness_for::writing ? os::trigger::edge
                                                          : os::trigger::edge_errors;
    if (!state_->poller.add(fd, {0, number}, trigger))
        return false;
    state_->descriptors[fd] = {number, std::move(ready)};
    return true;
}

void asio_reactor::forget(int fd)
{
    if (state_->descriptors.erase(fd) != 0)
        state_->poller.remove(fd);
}

void asio_reactor::call_in(duration wait, std::function<void()> then)
{
    auto timer = std::make_shared<asio::steady_timer>(state_->io, wait);
    timer->async_wait([timer, call = std::move(then)](error_code error) {
        if (!error)
            call();
    });
}

} // namespace tapioca
