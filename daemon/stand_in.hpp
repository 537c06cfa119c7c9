// Until the data plane is there: as little of it as the stages need to run.
#pragma once

#include "daemon/config/plane_config.hpp"
#include "daemon/tap/tun_queue.hpp"

#include <string>
#include <utility>
#include <vector>

namespace tapioca {

struct plane_resources {
    std::vector<tun_descriptor> tap_queues;
    os::unique_fd pcap;
};

class worker_pool {
public:
    worker_pool(const plane_config&, plane_resources&& resources) : resources_(std::move(resources)) {}
    void start();
    void stop();

private:
    plane_resources resources_;
    struct threads;
    threads* threads_ = nullptr;
};

} // namespace tapioca
