// The reactor of the control plane's loop.
#pragma once

#include "daemon/control/reactor.hpp"

#include <memory>

namespace boost::asio {
class io_context;
}

namespace tapioca {

class asio_reactor final : public reactor {
public:
    explicit asio_reactor(boost::asio::io_context& io);
    ~asio_reactor();

    [[nodiscard]] bool watch(int fd, readiness_for what, std::function<void()> ready) override;
    void forget(int fd) override;
    void call_in(duration wait, std::function<void()> then) override;

private:
    struct state;
    std::unique_ptr<state> state_;
};

} // namespace tapioca
