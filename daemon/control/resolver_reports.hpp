// What the watcher of resolv.conf says, for the log.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/follow/resolver_watcher.hpp"

namespace tapioca {

class resolver_reports final : public control_service {
public:
    explicit resolver_reports(resolver_watcher watcher) noexcept : watcher_(std::move(watcher)) {}

    void start(reactor& loop) override;

private:
    void take_all();

    resolver_watcher watcher_;
    reactor* loop_ = nullptr;
    bool first_ = true;
};

} // namespace tapioca
